// The disk on which the points lie: how it moves, how it is painted, what mouse and keys do to it

// Movements that take a while; one of a kind ends the one before it. `rest` hears when all is still
function motion(paint, rest) {
  const calm = wantsCalm()
  let tweens = []
  let frame = 0
  function redraw() {
    if (!frame) frame = requestAnimationFrame(draw)
  }
  function draw(time) {
    frame = 0
    for (const tween of tweens) {
      tween.share = Math.min(1, Math.max(0, (time - tween.start) / tween.milliseconds))
      tween.step(tween.share)
      if (tween.share === 1) tween.done()
    }
    tweens = tweens.filter(tween => tween.share < 1)
    paint()
    if (tweens.length) redraw()
    else rest()
  }
  function end(kind) {
    const ended = tweens.filter(tween => tween.kind === kind)
    tweens = tweens.filter(tween => tween.kind !== kind)
    for (const tween of ended) tween.done()
  }
  function start(kind, milliseconds, step) {
    end(kind)
    if (!milliseconds || calm) {
      step(1)
      redraw()
      return Promise.resolve()
    }
    return new Promise(done => {
      tweens.push({kind, milliseconds, step, done, start: performance.now(), share: 0})
      redraw()
    })
  }
  return {
    redraw,
    start,
    end,
    get moving() {
      return tweens.length > 0
    },
    close: () => cancelAnimationFrame(frame),
  }
}
const ease = t => (t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2)

// Where clips lie: on the disk (y upwards), then moved by the isometry of the moment, then on
// paper (y downwards)
class Places {
  constructor(stage) {
    this.stage = stage
    this.isometry = identity
    this.open(0)
  }

  open(count) {
    this.tangents = new Float64Array(2 * count)
    this.onDisk = new Float64Array(2 * count)
  }

  // Tangents that are a share of the way from some to others
  morph(from, to, share) {
    for (let i = 0; i < to.length; i++) {
      this.tangents[i] = from ? from[i] + (to[i] - from[i]) * share : to[i]
    }
    for (let i = 0; i < to.length; i += 2) {
      const r = Math.hypot(this.tangents[i], this.tangents[i + 1])
      const scale = r ? Math.tanh(r) / r : 0
      this.onDisk[i] = scale * this.tangents[i]
      this.onDisk[i + 1] = scale * this.tangents[i + 1]
    }
  }

  place(i) {
    return moved(this.isometry, this.onDisk[2 * i], this.onDisk[2 * i + 1])
  }

  all() {
    const places = new Float32Array(this.onDisk.length)
    for (let i = 0; i < places.length; i += 2) {
      const [x, y] = this.place(i / 2)
      places[i] = x
      places[i + 1] = y
    }
    return places
  }

  get side() {
    return this.stage.clientWidth
  }

  paper([x, y]) {
    const half = this.side / 2
    return [half * (1 + x / diskMargin), half * (1 - y / diskMargin)]
  }

  // The point of the disk that a pointer is at
  pointed(event) {
    const box = this.stage.getBoundingClientRect()
    const x = (2 * (event.clientX - box.left)) / box.width - 1
    const y = 1 - (2 * (event.clientY - box.top)) / box.height
    return [diskMargin * x, diskMargin * y]
  }
}

// Colour, glyph and order of the points: what is faint lies below
function dressed(model) {
  const {count, kind} = model
  const values = kind ? kind.values : model.quantity()
  const [low, high] = kind ? [0, 1] : span(values)
  const unknown = hex(model.css('--faint'))
  const solid = count < manyClips ? 225 : 200
  const colours = new Uint8Array(4 * count)
  const looks = new Float32Array(2 * count)
  const below = []
  const above = []
  for (let i = 0; i < count; i++) {
    const share = (values[i] - low) / (high - low)
    const shade = Number.isNaN(share) ? unknown : model.ink(ramp(share))
    const [colour, shape] = kind ? model.look(values[i]) : [shade, 'circle']
    const faint = model.faint(i)
    const cell = shapes.indexOf(shape) + (model.right(i) ? 0 : shapes.length)
    colours.set([...colour, faint ? 26 : solid], 4 * i)
    looks.set([cell, faint ? 0.8 : 1], 2 * i)
    if (model.visible(i)) (faint ? below : above).push(i)
  }
  const order = Uint32Array.from([...shuffled(below), ...shuffled(above)])
  return {colours, looks, order}
}
// A fixed order in which no class lies on top
const shuffled = positions => positions.sort((a, b) => scattered(a) - scattered(b))
const scattered = i => (i * 2654435761) >>> 0

// Is a point inside a closed path? Counted is how often the path crosses the ray to its right
function within([x, y], path) {
  let inside = false
  for (const [k, [u, v]] of path.entries()) {
    const [s, t] = path.at(k - 1)
    const crosses = v > y !== t > y && x < ((s - u) * (y - v)) / (t - v) + u
    if (crosses) inside = !inside
  }
  return inside
}

const keysHelp =
  'Poincaré disk of the clips. Arrow keys move it, n and p go through the clips, ' +
  'Enter brings the chosen clip to the middle, Home the origin, space plays, ' +
  'm, l and r let dragging move, draw a lasso or a rectangle, u undoes, Escape clears'

// The disk with its points: painted, moved, pointed at
function diskPanel(model, act) {
  const ground = element('canvas')
  const dots = element('canvas')
  const marks = element('canvas', {className: 'over', tabIndex: 0, role: 'application'})
  marks.setAttribute('aria-label', keysHelp)
  const wait = element('p', {className: 'wait', hidden: true})
  const stage = element('div', {className: 'stage'}, ground, dots, marks, wait)
  const points = pointCloud(dots)
  const places = new Places(stage)
  const movement = motion(paint, act.rest)
  const place = i => places.place(i)
  let outline = null // with which some are being selected
  let names = [] // with their means on the disk
  let dress = null // colours, glyphs and order of the points
  let letters = null // where distances and names are written

  function paint() {
    if (!places.side || !model.run) return
    const spots = places.all()
    const dense = model.count >= manyClips && model.view
    paintGround(ground, model, places, dense ? paintDensity(model, spots) : null)
    if (points) {
      const ratio = fit(dots)
      points.set('place', spots)
      points.draw(ratio * pointSize())
    }
    letters = paintMarks(marks, model, places, {outline, names})
  }
  function pointSize() {
    const size = Math.max(3.4, Math.min(13, 190 / Math.sqrt(model.count)))
    return size * Math.max(0.8, places.side / 640)
  }
  function recolour() {
    if (!model.view) return
    dress = dressed(model)
    points?.set('colour', dress.colours)
    points?.set('look', dress.looks)
    points?.order(dress.order)
    movement.redraw()
  }
  function writeNames() {
    names = model.view ? namedMeans(model, places.onDisk) : []
    movement.redraw()
  }
  function open() {
    places.open(model.count)
    points?.order(new Uint32Array())
  }
  async function show(from, to) {
    names = []
    await movement.start('morph', from ? 650 : 0, share => places.morph(from, to, share))
    if (model.view?.u === to) writeNames()
  }

  // The point now at (x, y) comes to the middle along the geodesic
  function recentre(x, y, milliseconds = 800) {
    const from = places.isometry
    const r = Math.hypot(x, y)
    if (r < 1e-9) return Promise.resolve()
    const far = Math.atanh(Math.min(r, 1 - 1e-12))
    return movement.start('move', milliseconds, share => {
      const scale = Math.tanh(far * ease(share)) / r
      places.isometry = after(toMiddle(scale * x, scale * y), from)
    })
  }
  // The origin comes back, then what was turned turns back
  async function restore() {
    await recentre(...moved(places.isometry, 0, 0))
    const angle = Math.atan2(places.isometry[1], places.isometry[0])
    await movement.start('move', Math.abs(angle) > 0.01 ? 400 : 0, share => {
      const left = angle * (1 - ease(share))
      places.isometry = [Math.cos(left), Math.sin(left), 0, 0]
    })
    places.isometry = identity
    movement.redraw()
  }
  function turnTo(isometry) {
    movement.end('move')
    places.isometry = isometry
    movement.redraw()
  }
  function centreChosen() {
    if (model.now.chosen >= 0) recentre(...place(model.now.chosen))
  }

  // The clip nearest to the pointer, −1 where none is near
  function clipAt(event) {
    const box = stage.getBoundingClientRect()
    let best = -1
    let least = 12 * 12
    for (let i = 0; model.view && i < model.count; i++) {
      const [x, y] = places.paper(place(i))
      const square = (x - event.clientX + box.left) ** 2 + (y - event.clientY + box.top) ** 2
      if (square < least && model.visible(i)) {
        least = square
        best = i
      }
    }
    return best
  }
  function drag(from, to) {
    movement.end('move')
    places.isometry = after(carry(offTheRim(from), offTheRim(to)), places.isometry)
    movement.redraw()
  }
  function drawOutline(path) {
    outline = path
    movement.redraw()
  }
  pointing(marks, model, act, {clipAt, drag, drawOutline, recentre, place, places})
  steering(marks, model, act, {recentre, restore, centreChosen})

  return {
    element: stage,
    wait,
    hasPoints: points !== null,
    places,
    place,
    paint,
    recolour,
    writeNames,
    open,
    show,
    recentre,
    turnTo,
    restore,
    centreChosen,
    pointSize,
    canvases: [ground, dots, marks],
    get names() {
      return names
    },
    get dressed() {
      return dress
    },
    get letters() {
      return letters
    },
    // Where a clip is in the window
    where(i) {
      const box = stage.getBoundingClientRect()
      const [x, y] = places.paper(place(i))
      return [box.left + x, box.top + y]
    },
    redraw: movement.redraw,
    moving: () => movement.moving,
    close() {
      movement.close()
      points?.close()
    },
  }
}
function offTheRim([x, y]) {
  const scale = Math.min(1, 0.97 / (Math.hypot(x, y) || 1))
  return [scale * x, scale * y]
}

// The corners of the rectangle on paper that two points of the disk span
const rectangle = ([x, y], [u, v]) => [
  [x, y],
  [u, y],
  [u, v],
  [x, v],
]
// What a selection does to the one before it, by the keys that are held
function selectionBy(event, dragged) {
  if (event.altKey) return 'subtract'
  return event.ctrlKey || event.metaKey || (dragged !== 'move' && event.shiftKey) ? 'add' : 'new'
}

// The mouse on the disk: dragging moves it or selects, clicking chooses, two clicks centre
function pointing(canvas, model, act, disk) {
  let held = null
  canvas.addEventListener('pointerdown', event => {
    if (event.button || !model.view) return
    canvas.setPointerCapture(event.pointerId)
    act.hideTip()
    const first = disk.places.pointed(event)
    const {drag} = model.now
    const mode = drag === 'move' && event.shiftKey ? 'lasso' : drag
    const how = selectionBy(event, drag)
    held = {start: [event.clientX, event.clientY], first, last: first, path: [first], mode, how}
  })
  canvas.addEventListener('pointermove', event => {
    if (!held) {
      const i = disk.clipAt(event)
      act.hover(i)
      act.showTip(i, event, model)
      canvas.style.cursor = i >= 0 ? 'pointer' : ''
      return
    }
    const [x, y] = held.start
    held.dragged ||= Math.hypot(event.clientX - x, event.clientY - y) > 4
    if (!held.dragged) return
    const point = disk.places.pointed(event)
    if (held.mode === 'move') disk.drag(held.last, point)
    else {
      held.path = held.mode === 'lasso' ? [...held.path, point] : rectangle(held.first, point)
      disk.drawOutline(held.path)
    }
    held.last = point
  })
  canvas.addEventListener('pointerup', event => {
    if (!held) return
    const {dragged, mode, path, how} = held
    held = null
    disk.drawOutline(null)
    if (dragged && mode !== 'move') act.select(i => within(disk.place(i), path), how)
    if (dragged) return
    const i = disk.clipAt(event)
    if (i >= 0) act.pick(i)
  })
  canvas.addEventListener('pointercancel', () => {
    held = null
    disk.drawOutline(null)
  })
  canvas.addEventListener('pointerleave', () => {
    act.hideTip()
    act.hover(-1)
  })
  canvas.addEventListener('dblclick', event => {
    const i = disk.clipAt(event)
    const point = i >= 0 ? disk.place(i) : disk.places.pointed(event)
    if (Math.hypot(...point) < 1) disk.recentre(...point)
  })
}

// The keys on the disk
function steering(canvas, model, act, disk) {
  const step = 0.18
  const go = by => model.view && act.pick((model.now.chosen + by + model.count) % model.count)
  const keys = {
    ArrowLeft: () => disk.recentre(-step, 0, 180),
    ArrowRight: () => disk.recentre(step, 0, 180),
    ArrowUp: () => disk.recentre(0, step, 180),
    ArrowDown: () => disk.recentre(0, -step, 180),
    Home: disk.restore,
    0: disk.restore,
    Enter: disk.centreChosen,
    n: () => go(1),
    p: () => go(-1),
    ' ': act.togglePlay,
    m: () => act.dragTo('move'),
    l: () => act.dragTo('lasso'),
    r: () => act.dragTo('rectangle'),
    u: act.undo,
    Escape() {
      act.search('')
      act.select(null)
      act.pick(-1)
    },
  }
  canvas.addEventListener('keydown', event => {
    const undoing = event.key === 'z' && (event.ctrlKey || event.metaKey)
    const answer = undoing ? act.undo : keys[event.key]
    if (!answer || event.altKey || ((event.ctrlKey || event.metaKey) && !undoing)) return
    event.preventDefault()
    event.stopPropagation()
    answer()
  })
}
