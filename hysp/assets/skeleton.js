// A canvas that plays one packed clip: bodies (B,T,V,3), x right, y up, z towards the viewer
function skeletonPlayer(canvas, pack, bytes, onTime) {
  'use strict'
  let T, V, step, bones, sides, head, bodies, size, ints, from, tall
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches
  const state = {clip: -1, time: 0, speed: 1, playing: !still, turn: 0, body: [], box: null}
  const decode = i => Array.from({length: bodies[i]}, (_, b) => {
    const out = new Float32Array(size), start = from[i] + b * size
    for (let k = 0; k < V * 3; k++) for (let t = 0, sum = 0; t < T; t++) { sum += ints[start + t * V * 3 + k]; out[t * V * 3 + k] = sum * step }
    return out
  })
  const bounds = list => {
    let [x0, x1, y0, y1, z0, z1] = [1e9, -1e9, 1e9, -1e9, 1e9, -1e9]
    for (const o of list) for (let k = 0; k < o.length; k += 3) {
      x0 = Math.min(x0, o[k]); x1 = Math.max(x1, o[k]); y0 = Math.min(y0, o[k + 1]); y1 = Math.max(y1, o[k + 1]); z0 = Math.min(z0, o[k + 2]); z1 = Math.max(z1, o[k + 2])
    }
    return {x: (x0 + x1) / 2, z: (z0 + z1) / 2, wide: Math.hypot(x1 - x0, z1 - z0), low: y0, tall: y1 - y0 || 1}
  }
  function load(pack, bytes) { // another pack in the place of the first
    ({frames: T, joints: V, step, bones, sides, head, bodies} = pack)
    size = T * V * 3; ints = new Int16Array(bytes); from = []
    let total = 0
    for (const b of bodies) { from.push(total); total += b * size }
    const usual = bodies.map((_, i) => i).filter((_, i) => bodies[i] && i % Math.ceil(bodies.length / 60) === 0).map(i => bounds(decode(i)).tall).sort((a, b) => a - b)
    tall = usual.length ? usual[Math.floor(.9 * (usual.length - 1))] : 1
    state.clip = -1
  }
  load(pack, bytes)
  const css = name => getComputedStyle(canvas).getPropertyValue(name).trim()
  let colours
  const look = () => { colours = [css('--middle'), css('--left'), css('--right'), css('--line'), css('--faint')] }
  look()

  const at = (o, t, j, d) => {
    const a = Math.floor(t), b = Math.min(a + 1, T - 1), w = t - a, k = j * 3 + d
    return o[a * V * 3 + k] * (1 - w) + o[b * V * 3 + k] * w
  }
  function draw() {
    const ratio = devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight, g = canvas.getContext('2d')
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) { canvas.width = Math.round(w * ratio); canvas.height = Math.round(h * ratio) }
    g.setTransform(ratio, 0, 0, ratio, 0, 0); g.clearRect(0, 0, w, h)
    if (!state.box) {
      if (state.clip >= 0) { g.fillStyle = colours[4]; g.font = '14px sans-serif'; g.textAlign = 'center'; g.fillText('nobody in this clip', w / 2, h / 2) }
      return
    }
    const box = state.box, floor = h * .93, scale = Math.min(h * .8 / Math.max(tall, box.tall), w * .9 / box.wide)
    const s = Math.sin(state.turn), c = Math.cos(state.turn), unit = scale * tall / 100
    const place = (o, t, j) => {
      const x = at(o, t, j, 0) - box.x, z = at(o, t, j, 2) - box.z
      return [w / 2 + scale * (c * x + s * z), floor - scale * (at(o, t, j, 1) - box.low), c * z - s * x]
    }
    const t = state.time * (T - 1), tips = bones.map(b => b[0]).filter(j => sides[j] && !bones.some(b => b[1] === j))
    state.body.forEach((o, m) => {
      const p = Array.from({length: V}, (_, j) => place(o, t, j)), faint = m ? .62 : 1
      const left = Math.min(...p.map(q => q[0])), right = Math.max(...p.map(q => q[0]))
      g.globalAlpha = 1; g.fillStyle = colours[3]; g.beginPath(); g.ellipse((left + right) / 2, floor + unit * 1.2, (right - left) / 2 + unit * 3, unit * 2.2, 0, 0, 7); g.fill()
      g.lineCap = g.lineJoin = 'round'
      for (const j of tips) for (let k = 1; k < 9; k++) { // a short trail behind hands and feet
        const a = t - k * .35, b = a + .35
        if (a < 0) break
        const u = place(o, a, j), v = place(o, b, j)
        g.globalAlpha = .2 * faint * (1 - k / 9); g.strokeStyle = colours[sides[j]]; g.lineWidth = unit * 1.5
        g.beginPath(); g.moveTo(u[0], u[1]); g.lineTo(v[0], v[1]); g.stroke()
      }
      for (const [j, q] of [...bones].sort((a, b) => p[a[0]][2] + p[a[1]][2] - p[b[0]][2] - p[b[1]][2])) {
        const depth = (p[j][2] + p[q][2]) / 2 / box.tall
        g.globalAlpha = faint * Math.max(.55, Math.min(1, .86 + .5 * depth)); g.strokeStyle = colours[sides[j]]; g.lineWidth = unit * Math.max(1.7, Math.min(3, 2.4 + 1.6 * depth))
        g.beginPath(); g.moveTo(p[j][0], p[j][1]); g.lineTo(p[q][0], p[q][1]); g.stroke()
      }
      g.globalAlpha = faint
      p.forEach((q, j) => { g.fillStyle = colours[sides[j]]; g.beginPath(); g.arc(q[0], q[1], head.includes(j) ? unit * 4.4 : unit * 1.7, 0, 7); g.fill() })
    })
    g.globalAlpha = 1
  }
  let last = 0
  function tick(now) {
    const passed = Math.min(now - last, 100); last = now
    if (state.playing && state.clip >= 0 && T > 1) { state.time = (state.time + state.speed * passed / 2600) % 1; onTime(state.time); draw() }
    frame = requestAnimationFrame(tick)
  }
  let frame = requestAnimationFrame(tick)
  const resized = new ResizeObserver(draw)
  resized.observe(canvas)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { look(); draw() })
  canvas.addEventListener('pointermove', e => { if (e.buttons & 1) { state.turn += e.movementX / 120; draw() } })
  canvas.addEventListener('dblclick', () => { state.turn = 0; draw() })
  return {
    state, load,
    look() { look(); draw() },
    close() { cancelAnimationFrame(frame); resized.disconnect() },
    show(i) {
      if (i === state.clip) return
      const body = decode(i)
      Object.assign(state, {clip: i, time: 0, body, box: body.length ? bounds(body) : null}); draw()
    },
    play(on) { state.playing = on }, seek(t) { state.time = Math.min(t, .9999); draw() }, speed(v) { state.speed = v }
  }
}
