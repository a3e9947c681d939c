// A canvas that plays packed clips: of each body its joints at each frame, x to the right, y up,
// z towards the viewer

const times = count => [...Array(count).keys()]

// The clips of a pack, and how tall people in it usually are
class Clips {
  constructor(pack) {
    this.pack = pack
    this.size = pack.frames * pack.joints * 3
    this.steps = new Int16Array(pack.bytes)
    this.starts = []
    let total = 0
    for (const bodies of pack.bodies) {
      this.starts.push(total)
      total += bodies * this.size
    }
    this.tall = this.usualHeight()
  }

  // Bodies of a clip, each as numbers (frame, joint, axis)
  bodies(i) {
    return times(this.pack.bodies[i]).map(body => this.summed(this.starts[i] + body * this.size))
  }

  // Stored is how far each coordinate goes from frame to frame
  summed(start) {
    const width = this.pack.joints * 3
    const body = new Float32Array(this.size)
    for (let k = 0; k < width; k++) {
      let sum = 0
      for (let at = k; at < this.size; at += width) {
        sum += this.steps[start + at]
        body[at] = sum * this.pack.step
      }
    }
    return body
  }

  // The ninth decile of some sixty clips
  usualHeight() {
    const counts = this.pack.bodies
    const every = Math.ceil(counts.length / 60)
    const some = [...counts.keys()].filter(i => counts[i] && i % every === 0)
    const heights = ascending(some.map(i => bounds(this.bodies(i)).tall))
    return heights.length ? heights[Math.floor(0.9 * (heights.length - 1))] : 1
  }
}

// The box about all bodies of a clip
function bounds(bodies) {
  const low = [1e9, 1e9, 1e9]
  const high = [-1e9, -1e9, -1e9]
  for (const body of bodies) {
    for (const [k, value] of body.entries()) {
      low[k % 3] = Math.min(low[k % 3], value)
      high[k % 3] = Math.max(high[k % 3], value)
    }
  }
  return {
    x: (low[0] + high[0]) / 2,
    z: (low[2] + high[2]) / 2,
    wide: Math.hypot(high[0] - low[0], high[2] - low[2]),
    low: low[1],
    tall: high[1] - low[1] || 1,
  }
}

// Places on the canvas: (x, y), and how near it is
function projection(canvas, clips, box, turn) {
  const {frames, joints} = clips.pack
  const width = canvas.clientWidth
  const height = canvas.clientHeight
  const tall = Math.max(clips.tall, box.tall)
  const scale = Math.min((height * 0.8) / tall, (width * 0.9) / box.wide)
  const floor = height * 0.93
  const sin = Math.sin(turn)
  const cos = Math.cos(turn)
  function coordinate(body, time, joint, axis) {
    const frame = Math.floor(time)
    const next = Math.min(frame + 1, frames - 1)
    const share = time - frame
    const k = joint * 3 + axis
    return body[frame * joints * 3 + k] * (1 - share) + body[next * joints * 3 + k] * share
  }
  function place(body, time, joint) {
    const x = coordinate(body, time, joint, 0) - box.x
    const y = coordinate(body, time, joint, 1) - box.low
    const z = coordinate(body, time, joint, 2) - box.z
    return [width / 2 + scale * (cos * x + sin * z), floor - scale * y, cos * z - sin * x]
  }
  return {place, floor, unit: (scale * clips.tall) / 100, tall: box.tall}
}

function strokeBone(pen, [x, y], [u, v]) {
  strokeLine(pen, [
    [x, y],
    [u, v],
  ])
}
function paintShadow(pen, view, places, colour) {
  const across = places.map(([x]) => x)
  const left = Math.min(...across)
  const right = Math.max(...across)
  const radius = (right - left) / 2 + view.unit * 3
  pen.globalAlpha = 1
  pen.fillStyle = colour
  pen.beginPath()
  pen.ellipse(
    (left + right) / 2,
    view.floor + view.unit * 1.2,
    radius,
    view.unit * 2.2,
    0,
    0,
    2 * Math.PI,
  )
  pen.fill()
}
// A short trail behind hands and feet
function paintTrail(pen, view, body, time, joint, strength) {
  pen.lineWidth = view.unit * 1.5
  for (let k = 1; k < 9; k++) {
    const before = time - k * 0.35
    if (before < 0) return
    pen.globalAlpha = 0.2 * strength * (1 - k / 9)
    strokeBone(pen, view.place(body, before, joint), view.place(body, before + 0.35, joint))
  }
}
// Bones from the back to the front, the nearer the thicker
function paintBones(pen, view, pack, places, strength, colours) {
  const depth = ([joint, parent]) => places[joint][2] + places[parent][2]
  for (const bone of [...pack.bones].sort((a, b) => depth(a) - depth(b))) {
    const [joint, parent] = bone
    const near = depth(bone) / 2 / view.tall
    pen.globalAlpha = strength * Math.max(0.55, Math.min(1, 0.86 + 0.5 * near))
    pen.lineWidth = view.unit * Math.max(1.7, Math.min(3, 2.4 + 1.6 * near))
    pen.strokeStyle = colours[pack.sides[joint]]
    strokeBone(pen, places[joint], places[parent])
  }
}
function paintJoints(pen, view, pack, places, strength, colours) {
  pen.globalAlpha = strength
  for (const [joint, [x, y]] of places.entries()) {
    pen.fillStyle = colours[pack.sides[joint]]
    discPath(pen, x, y, view.unit * (pack.head.includes(joint) ? 4.4 : 1.7))
    pen.fill()
  }
}
function paintBody(pen, view, pack, body, time, strength, colours) {
  const places = times(pack.joints).map(joint => view.place(body, time, joint))
  paintShadow(pen, view, places, colours[3])
  pen.lineCap = 'round'
  pen.lineJoin = 'round'
  const parents = new Set(pack.bones.map(([, parent]) => parent))
  const ends = pack.bones.map(([joint]) => joint).filter(joint => !parents.has(joint))
  for (const joint of ends.filter(end => pack.sides[end])) {
    pen.strokeStyle = colours[pack.sides[joint]]
    paintTrail(pen, view, body, time, joint, strength)
  }
  paintBones(pen, view, pack, places, strength, colours)
  paintJoints(pen, view, pack, places, strength, colours)
}

// A clip at a moment, from 0 to 1, turned about the vertical
function paintClip(canvas, clips, bodies, share, turn, colours) {
  const pen = cleanPen(canvas)
  const view = projection(canvas, clips, bounds(bodies), turn)
  const time = share * (clips.pack.frames - 1)
  for (const [k, body] of bodies.entries()) {
    paintBody(pen, view, clips.pack, body, time, k ? 0.62 : 1, colours)
  }
  pen.globalAlpha = 1
}
// Colours of the middle, left and right, of the shadow and of writing
function skeletonColours(place) {
  const style = getComputedStyle(place)
  const names = ['--middle', '--left', '--right', '--line', '--faint']
  return names.map(name => style.getPropertyValue(name).trim())
}

// `onTime` hears the moment of the clip, from 0 to 1
function skeletonPlayer(canvas, pack, onTime) {
  const calm = wantsCalm()
  const state = {clip: -1, time: 0, speed: 1, playing: !calm, turn: 0, bodies: []}
  let clips = new Clips(pack)
  let colours = skeletonColours(canvas)
  let frame = requestAnimationFrame(tick)
  let last = 0

  function load(next) {
    if (next === clips.pack) return
    clips = new Clips(next)
    state.clip = -1
  }
  function show(i) {
    if (i === state.clip) return
    Object.assign(state, {clip: i, time: 0, bodies: clips.bodies(i)})
    draw()
  }
  function draw() {
    const {bodies, time, turn} = state
    if (bodies.length) paintClip(canvas, clips, bodies, time, turn, colours)
    else if (state.clip >= 0) writeNobody(cleanPen(canvas))
  }
  function writeNobody(pen) {
    pen.fillStyle = colours[4]
    pen.font = '14px sans-serif'
    pen.textAlign = 'center'
    pen.fillText('nobody in this clip', canvas.clientWidth / 2, canvas.clientHeight / 2)
  }
  function tick(now) {
    const passed = Math.min(now - last, 100)
    last = now
    if (state.playing && state.clip >= 0 && clips.pack.frames > 1) {
      state.time = (state.time + (state.speed * passed) / 2600) % 1
      onTime(state.time)
      draw()
    }
    frame = requestAnimationFrame(tick)
  }
  function look() {
    colours = skeletonColours(canvas)
    draw()
  }
  const resized = new ResizeObserver(draw)
  resized.observe(canvas)
  night.addEventListener('change', look)
  canvas.addEventListener('pointermove', event => {
    if (!(event.buttons & 1)) return
    state.turn += event.movementX / 120
    draw()
  })
  canvas.addEventListener('dblclick', () => {
    state.turn = 0
    draw()
  })
  return {
    state,
    load,
    show,
    look,
    play(playing) {
      state.playing = playing
    },
    seek(time) {
      state.time = Math.min(time, 0.9999)
      draw()
    },
    speed(value) {
      state.speed = value
    },
    close() {
      cancelAnimationFrame(frame)
      resized.disconnect()
      night.removeEventListener('change', look)
    },
  }
}
