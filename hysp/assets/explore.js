// The explorer: a Poincaré disk one can move, with all that belongs to its points. One module for JupyterLab and for the page without a kernel.
// `source.ask(what, args)` promises views, neighbours and clips; `source.tell(facts)`, where there is one, hears what is chosen and selected,
// and `source.plays(run, i)` says which clips have a skeleton, where not all have.

// Isometries of the disk, z → (az + b)/(b̄z + ā) with |a|² − |b|² = 1, as [Re a, Im a, Re b, Im b]
const still = [1, 0, 0, 0]
const after = ([a, b, c, d], [e, f, g, h]) => { // the first after the second
  const m = [a * e - b * f + c * g + d * h, a * f + b * e + d * g - c * h, a * g - b * h + c * e + d * f, a * h + b * g + d * e - c * f]
  const n = Math.sqrt(m[0] ** 2 + m[1] ** 2 - m[2] ** 2 - m[3] ** 2)
  return m.map(o => o / n)
}
const moved = ([a, b, c, d], x, y) => {
  const p = a * x - b * y + c, q = a * y + b * x + d, r = c * x + d * y + a, s = c * y - d * x - b, n = r * r + s * s
  return [(p * r + q * s) / n, (q * r - p * s) / n]
}
const inverse = ([a, b, c, d]) => [a, -b, -c, -d]
const toMiddle = (x, y) => { // the translation that takes a point to the middle
  const r = Math.hypot(x, y), k = Math.min(1, (1 - 1e-12) / (r || 1)), n = 1 / Math.sqrt(1 - (k * r) ** 2)
  return [n, 0, -k * x * n, -k * y * n]
}
const carry = (p, q) => { // the translation along the geodesic from p to q that takes p to q
  const t = toMiddle(...p)
  return after(inverse(t), after(inverse(toMiddle(...moved(t, ...q))), t))
}
const circle = (m, x, y, far) => { // hyperbolic circle about the image of (x,y): centre and radius on paper
  const [u, v] = moved(m, x, y), t = Math.tanh(far / 2), n = 1 - t * t * (u * u + v * v)
  return [u * (1 - t * t) / n, v * (1 - t * t) / n, t * (1 - u * u - v * v) / n]
}
const segment = (p, q, n = 40) => { // points of the geodesic from p to q
  const t = toMiddle(...p), [x, y] = moved(t, ...q), r = Math.hypot(x, y), far = Math.atanh(Math.min(r, 1 - 1e-12)), back = inverse(t)
  return Array.from({length: n + 1}, (_, i) => { const s = r ? Math.tanh(far * i / n) / r : 0; return moved(back, s * x, s * y) })
}

// Packed arrays
async function unpacked(text) {
  const raw = Uint8Array.from(atob(text), o => o.charCodeAt(0))
  return new Response(new Blob([raw]).stream().pipeThrough(new DecompressionStream('deflate'))).arrayBuffer()
}
const floats = async o => new Float32Array(await unpacked(o)), ints = async o => new Int32Array(await unpacked(o))

// Elements
function h(tag, given = {}, ...inside) {
  const o = document.createElement(tag)
  for (const [k, v] of Object.entries(given)) k.startsWith('on') ? o.addEventListener(k.slice(2), v) : k in o ? o[k] = v : o.setAttribute(k, v)
  o.append(...inside.filter(x => x !== null && x !== undefined))
  return o
}
const number = (x, n = 2) => Number.isFinite(x) ? x.toFixed(n) : '∞'
const percent = x => (100 * x).toFixed(0) + ' %'
const median = a => a.length ? [...a].sort((x, y) => x - y)[a.length >> 1] : NaN

// Glyphs: each shape once as a path about 0 within radius 1; the legend and the texture of the disk draw the same
const regular = (k, turn, inner) => Array.from({length: inner ? 2 * k : k}, (_, i) => {
  const a = turn + 2 * Math.PI * i / (inner ? 2 * k : k), r = inner && i % 2 ? inner : .98
  return [r * Math.sin(a), -r * Math.cos(a)]
})
const plus = [[-.3, -.9], [.3, -.9], [.3, -.3], [.9, -.3], [.9, .3], [.3, .3], [.3, .9], [-.3, .9], [-.3, .3], [-.9, .3], [-.9, -.3], [-.3, -.3]]
const outlines = {circle: null, diamond: regular(4, 0), square: regular(4, Math.PI / 4), cross: plus, star: regular(5, 0, .42), pentagon: regular(5, 0),
  x: plus.map(([x, y]) => [(x - y) * .7071, (x + y) * .7071]), hexagon: regular(6, 0), 'triangle-up': regular(3, 0), 'triangle-down': regular(3, Math.PI),
  'triangle-left': regular(3, -Math.PI / 2), 'triangle-right': regular(3, Math.PI / 2)}
const shapes = Object.keys(outlines)
function trace(g, shape, x, y, r, hollow) {
  g.beginPath()
  const s = hollow ? .78 : .86
  if (!outlines[shape]) g.arc(x, y, s * r, 0, 7)
  else { outlines[shape].forEach(([u, v], i) => g[i ? 'lineTo' : 'moveTo'](x + s * r * u, y + s * r * v)); g.closePath() }
  if (hollow) { g.lineWidth = .3 * r; g.lineJoin = 'round'; g.stroke() } else g.fill()
}
function glyph(colour, shape, hollow) {
  const o = h('canvas', {width: 28, height: 28, className: 'glyph'}), g = o.getContext('2d')
  g.fillStyle = g.strokeStyle = colour; trace(g, shape, 14, 14, 13, hollow)
  return o
}

// Colours
const hex = o => [1, 3, 5].map(i => parseInt(o.slice(i, i + 2), 16))
const rgb = o => `rgb(${o.map(Math.round).join(',')})`
const stops = ['#46327e', '#365c8d', '#277f8e', '#1fa187', '#4ac16d', '#a0da39', '#e9d51f'].map(hex)
const ramp = t => {
  const x = Math.max(0, Math.min(1, t)) * (stops.length - 1), i = Math.min(Math.floor(x), stops.length - 2)
  return stops[i].map((o, k) => o + (stops[i + 1][k] - o) * (x - i))
}

// Points on the graphics card: the places are worked out here, in double precision, since picking needs them too
function cloud(canvas) {
  const gl = canvas.getContext('webgl2', {premultipliedAlpha: true, antialias: false, alpha: true})
  if (!gl) return null
  const shader = (type, text) => { const o = gl.createShader(type); gl.shaderSource(o, text); gl.compileShader(o); return o }
  const program = gl.createProgram()
  gl.attachShader(program, shader(gl.VERTEX_SHADER, `#version 300 es
    in vec2 place; in vec4 colour; in vec2 look; uniform float size; out vec4 ink; out float cell;
    void main() { ink = colour; cell = look.x; gl_Position = vec4(place * vec2(1., -1.) * ${(1 / 1.03).toFixed(6)}, 0., 1.);
      gl_PointSize = size * look.y * (.6 + .4 * (1. - dot(place, place))); }`))
  gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `#version 300 es
    precision mediump float; in vec4 ink; in float cell; uniform sampler2D atlas; out vec4 paint;
    void main() {
      vec2 at = (vec2(mod(cell, ${shapes.length}.), floor(cell / ${shapes.length}.)) + gl_PointCoord) / vec2(${shapes.length}., 2.);
      float cover = ink.a * texture(atlas, at).a;
      paint = vec4(ink.rgb * cover, cover); }`))
  gl.linkProgram(program); gl.useProgram(program)
  const edge = 64, sheet = h('canvas', {width: edge * shapes.length, height: 2 * edge}), pen = sheet.getContext('2d')
  pen.fillStyle = pen.strokeStyle = '#fff'
  shapes.forEach((o, k) => [0, 1].forEach(hollow => trace(pen, o, (k + .5) * edge, (hollow + .5) * edge, edge / 2 - 3, hollow)))
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture())
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, sheet)
  gl.generateMipmap(gl.TEXTURE_2D); gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR)
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE); gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE)
  gl.enable(gl.BLEND); gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
  const buffers = {}, order = gl.createBuffer(), size = gl.getUniformLocation(program, 'size')
  let count = 0
  for (const [name, n, type] of [['place', 2, gl.FLOAT], ['colour', 4, gl.UNSIGNED_BYTE], ['look', 2, gl.FLOAT]]) {
    const at = gl.getAttribLocation(program, name)
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name] = gl.createBuffer()); gl.enableVertexAttribArray(at); gl.vertexAttribPointer(at, n, type, type === gl.UNSIGNED_BYTE, 0, 0)
  }
  return {
    set(name, values) { gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]); gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW) },
    order(values) { count = values.length; gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, order); gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, values, gl.DYNAMIC_DRAW) },
    draw(pixels) {
      gl.viewport(0, 0, canvas.width, canvas.height); gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT); gl.uniform1f(size, pixels)
      if (count) gl.drawElements(gl.POINTS, count, gl.UNSIGNED_INT, 0)
    },
    close() { gl.getExtension('WEBGL_lose_context')?.loseContext() },
  }
}

const words = {subject: 'person', frames: 'length', correct: 'right or wrong'}
const quantities = ['radius', 'frames']
const hint = 'click: play and hold · double click: to the middle · drag: move the disk · shift and drag: select'

export function explorer(root, state, source) {
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches, night = matchMedia('(prefers-color-scheme: dark)')
  const S = {run: 0, epoch: 0, projection: state.projections[0], colour: 'class', drag: 'move', chosen: -1, hover: -1, bright: -1, follow: true}
  let run, n, view, kinds, hidden, selected, near = [], iso = still, base, shown, tweens = [], dirty = true, frame = 0, lasso = null, player = null, ticket = 0
  const css = name => getComputedStyle(box).getPropertyValue(name).trim()

  // The frame
  const choose = (label, act) => { const o = h('select', {onchange: () => act(o.value)}); return [o, h('label', {}, h('span', {textContent: label}), o)] }
  const [runs, runsLabel] = choose('run', o => openRun(+o))
  const [projections, projectionsLabel] = choose('projection', o => { S.projection = o; openView() })
  const [colours, coloursLabel] = choose('colour', o => { S.colour = o; S.bright = -1; recolour(); legend() })
  const epochs = h('input', {type: 'range', min: 0, step: 1, oninput: () => goto(+epochs.value), 'aria-label': 'epoch'}), epochName = h('output')
  const walk = h('button', {type: 'button', className: 'round', textContent: '▶', title: 'play through the epochs', 'aria-label': 'play through the epochs', onclick: () => walkEpochs()})
  const epochsLabel = h('div', {className: 'epochs'}, h('span', {textContent: 'epoch'}), walk, epochs, epochName)
  const modes = ['move', 'select'].map(o => h('button', {type: 'button', textContent: o, title: o === 'move' ? 'dragging moves the disk by an isometry' : 'dragging draws a lasso',
    onclick: () => { S.drag = o; modes.forEach(b => b.setAttribute('aria-pressed', b.textContent === o)); stage.classList.toggle('select', o === 'select') }, 'aria-pressed': o === S.drag}))
  const centre = h('button', {type: 'button', className: 'plain', textContent: 'centre', title: 'bring the chosen clip to the middle', onclick: () => S.chosen >= 0 && recentre(...place(S.chosen))})
  const reset = h('button', {type: 'button', className: 'plain reset', textContent: 'reset', title: 'the origin back to the middle', onclick: () => restore()})
  const under = h('canvas', {}), middle = h('canvas', {}), over = h('canvas', {className: 'over', tabIndex: 0, role: 'application'})
  const stage = h('div', {className: 'stage'}, under, middle, over), fidelity = h('p', {className: 'fidelity', role: 'status'}), wait = h('p', {className: 'wait', hidden: true})
  stage.append(wait)
  const legendBox = h('section', {className: 'legend'}), histogram = h('canvas', {className: 'histogram', role: 'img'}), tally = h('div', {className: 'tally', 'aria-live': 'polite'})
  const tip = h('div', {className: 'tip', role: 'tooltip', hidden: true}), facts = h('div', {className: 'facts', 'aria-live': 'polite'})
  const figure = h('canvas', {className: 'figure', role: 'img', 'aria-label': 'moving skeleton of the chosen clip'}), absent = h('p', {className: 'none absent', role: 'status'}), nearBox = h('ol', {className: 'near'})
  const seek = h('input', {type: 'range', min: 0, max: 1, step: 'any', value: 0, 'aria-label': 'moment of the clip', oninput: () => { play(false); player?.seek(+seek.value) }})
  const playing = h('button', {type: 'button', className: 'round play', textContent: '❚❚', 'aria-label': 'pause', onclick: () => play(!player?.state.playing)})
  const speed = h('select', {'aria-label': 'speed', onchange: () => player?.speed(+speed.value)}, ...[['.25', '¼×'], ['.5', '½×'], ['1', '1×'], ['2', '2×']].map(([value, textContent]) => h('option', {value, textContent})))
  speed.value = '1'
  const controls = h('div', {className: 'controls'}, playing, seek, speed)
  const training = h('section', {className: 'training', hidden: true, 'aria-label': 'training'})
  const box = h('div', {className: 'hysp'}, h('div', {className: 'inside'},
    h('div', {className: 'bar'}, runsLabel, epochsLabel, projectionsLabel, coloursLabel, h('span', {className: 'gap'}),
      h('div', {className: 'pair', role: 'group', 'aria-label': 'what dragging does'}, ...modes), centre, reset),
    training, h('div', {className: 'grid'},
      h('aside', {className: 'left'}, legendBox, h('section', {}, h('h3', {textContent: 'Distance from the origin'}), histogram), h('section', {className: 'chosen'}, tally)),
      h('main', {}, stage, fidelity, h('p', {className: 'hint', textContent: hint + (state.note ? ' · ' + state.note : '')})),
      h('aside', {className: 'right'}, h('section', {className: 'player'}, facts, absent, figure, controls),
        h('section', {className: 'nearest'}, h('h3', {textContent: 'Nearest clips in the ball'}), nearBox)))), tip)
  box.dataset.lmSuppressShortcuts = 'true' // JupyterLab's own keys
  root.replaceChildren(box)
  const points = cloud(middle)
  if (!points) fidelity.textContent = 'This browser has no WebGL 2, which draws the points.'

  // Runs, epochs, projections
  function openRun(k) {
    S.run = k; run = state.runs[k]; n = run.names.length; selected = null; S.chosen = S.hover = S.bright = -1; near = []; view = null; base = new Float64Array(2 * n); shown = new Float64Array(2 * n); points?.order(new Uint32Array())
    kinds = {class: {values: run.labels, names: run.class_names}}; hidden = {}
    for (const [k, values] of Object.entries(run.columns)) if (!quantities.includes(k)) {
      const known = [...new Set(values)].sort((a, b) => a - b)
      if (known.length > 1) kinds[k] = {values: values.map(o => known.indexOf(o)), names: known.map(o => o < 0 ? 'not known' : k === 'bodies' ? o + (o === 1 ? ' body' : ' bodies') : `${words[k] ?? k} ${o}`)}
    }
    const given = ['class', 'radius', ...(run.predicts ? ['correct'] : []), ...Object.keys(run.columns).filter(k => kinds[k] || k === 'frames')]
    colours.replaceChildren(...given.map(value => h('option', {value, textContent: words[value] ?? value})))
    if (!given.includes(S.colour)) S.colour = 'class'
    colours.value = S.colour
    setEpochs(); showChosen(); return goto(run.epochs.length - 1)
  }
  function setEpochs() {
    runs.replaceChildren(...state.runs.map((o, value) => h('option', {value, textContent: o.name}))); runs.value = S.run; runsLabel.hidden = state.runs.length < 2
    projections.replaceChildren(...state.projections.map(value => h('option', {value, textContent: value.replace('_', ' ')}))); projections.value = S.projection
    projectionsLabel.hidden = state.projections.length < 2
    epochs.max = run.epochs.length - 1; epochsLabel.hidden = run.epochs.length < 2
  }
  function goto(k) {
    S.epoch = k; epochs.value = k; epochName.textContent = run.epochs[k]; epochs.setAttribute('aria-valuetext', `epoch ${run.epochs[k]}`); S.follow = k === run.epochs.length - 1
    return openView()
  }
  async function openView() {
    const mine = ++ticket, {run: k, projection} = S, epoch = run.epochs[S.epoch]
    const slow = setTimeout(() => { if (mine === ticket) { wait.textContent = `${projection.replace('_', ' ')}, epoch ${epoch} …`; wait.hidden = false } }, 150)
    try {
      const got = await source.ask('view', {run: k, epoch, projection}), [u, distance, predicted] = [await floats(got.points), await floats(got.distance), got.predicted && await ints(got.predicted)]
      if (mine !== ticket) return
      const from = view?.u, target = {epoch, projection, u, distance, predicted, fidelity: got.fidelity}
      view = target
      if (predicted) kinds.correct = {values: Array.from(predicted, (o, i) => o === run.labels[i] ? 0 : 1), names: ['right', 'wrong'], colours: ['#1c8e68', '#cd560a']}
      else delete kinds.correct
      fidelity.textContent = got.fidelity; box.dataset.view = `${k} ${epoch} ${projection}`
      recolour(); legend(); bins(); askNear()
      if (!from) surest()
      await tween(from ? 650 : 0, t => { for (let i = 0; i < 2 * n; i++) shown[i] = from ? from[i] + (u[i] - from[i]) * t : u[i]; settle() }, 'morph')
    } catch (e) { if (mine === ticket) fidelity.textContent = e.message }
    finally { clearTimeout(slow); if (mine === ticket) wait.hidden = true }
  }
  function surest() { // something to look at from the start: the clip farthest out that is right and can be played
    count()
    const order = [...view.distance.keys()].sort((a, b) => view.distance[b] - view.distance[a]), plays = i => !source.plays || source.plays(S.run, i)
    const k = order.find(i => right(i) && plays(i)) ?? order.find(plays) ?? order[0]
    if (k !== undefined) pick(k)
  }
  async function walkEpochs() {
    const mine = walk.dataset.on = walk.dataset.on ? '' : String(Math.random())
    walk.textContent = mine ? '❚❚' : '▶'
    let k = S.epoch === run.epochs.length - 1 ? 0 : S.epoch + 1
    for (; mine && walk.dataset.on === mine && k < run.epochs.length; k++) { await goto(k); await new Promise(o => setTimeout(o, 350)) }
    if (walk.dataset.on === mine) { walk.dataset.on = ''; walk.textContent = '▶' }
  }

  // Motion
  const ease = t => t < .5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2
  function tween(ms, step, kind) {
    tweens = tweens.filter(o => o.kind !== kind || (o.done(), false))
    return new Promise(done => {
      if (!ms || calm) { step(1); redraw(); return done() }
      tweens.push({ms, step, kind, done, start: performance.now()}); redraw()
    })
  }
  function settle() { // from tangents to the disk
    for (let i = 0; i < 2 * n; i += 2) {
      const r = Math.hypot(shown[i], shown[i + 1]), k = r ? Math.tanh(r) / r : 1
      base[i] = k * shown[i]; base[i + 1] = k * shown[i + 1]
    }
  }
  const place = i => moved(iso, base[2 * i], base[2 * i + 1])
  function recentre(x, y, ms = 800) { // the point now at (x,y) comes to the middle along the geodesic
    const from = iso, r = Math.hypot(x, y), far = Math.atanh(Math.min(r, 1 - 1e-12))
    if (r < 1e-9) return Promise.resolve()
    return tween(ms, t => { const s = Math.tanh(far * ease(t)) / r; iso = after(toMiddle(s * x, s * y), from) }, 'move')
  }
  async function restore() { // the origin comes back, then what turned turns back
    await recentre(...moved(iso, 0, 0))
    const angle = Math.atan2(iso[1], iso[0])
    await tween(Math.abs(angle) > .01 ? 400 : 0, t => { const a = angle * (1 - ease(t)); iso = [Math.cos(a), Math.sin(a), 0, 0] }, 'move')
    iso = still; redraw()
  }
  function redraw() { dirty = true; if (!frame) frame = requestAnimationFrame(draw) }
  function draw(now) {
    frame = 0
    for (const o of tweens) { const t = Math.min(1, Math.max(0, (now - o.start) / o.ms)); o.step(t); if (t === 1) o.done(), o.over = true }
    tweens = tweens.filter(o => !o.over)
    if (dirty || tweens.length) { dirty = false; paint() }
    if (tweens.length) frame = requestAnimationFrame(draw)
  }

  // Painting
  const side = () => stage.clientWidth
  const paper = ([x, y]) => [side() / 2 * (1 + x / 1.03), side() / 2 * (1 + y / 1.03)]
  const disk = e => { const r = stage.getBoundingClientRect(); return [1.03 * (2 * (e.clientX - r.left) / r.width - 1), 1.03 * (2 * (e.clientY - r.top) / r.height - 1)] }
  const fit = o => { const ratio = devicePixelRatio || 1, w = Math.round(o.clientWidth * ratio), g = Math.round(o.clientHeight * ratio); if (o.width !== w || o.height !== g) { o.width = w; o.height = g } return ratio }
  const pen = o => { const ratio = fit(o), g = o.getContext('2d'); g.setTransform(ratio, 0, 0, ratio, 0, 0); g.clearRect(0, 0, o.clientWidth, o.clientHeight); return g }
  const line = (g, list) => { g.beginPath(); list.forEach((p, i) => g[i ? 'lineTo' : 'moveTo'](...paper(p))); g.stroke() }
  function ring(g, [x, y, r]) { const [u, v] = paper([x, y]); g.beginPath(); g.arc(u, v, Math.max(0, side() / 2.06 * r), 0, 7) }
  const turns = Array.from({length: 6}, (_, k) => [Math.cos(Math.PI * k / 6), Math.sin(Math.PI * k / 6)])
  function paint() {
    if (!side() || !run) return
    const g = pen(under), root = Math.sqrt(run.c)
    ring(g, [0, 0, 1]); g.fillStyle = css('--disk'); g.fill()
    g.strokeStyle = css('--ring'); g.lineWidth = .6; g.globalAlpha = .7
    for (const [x, y] of turns) line(g, Array.from({length: 65}, (_, i) => { const s = Math.tanh((i - 32) / 5); return moved(iso, s * x, s * y) }))
    g.globalAlpha = 1; g.lineWidth = 1
    for (let d = 1; d <= rings(); d++) { ring(g, circle(iso, 0, 0, root * d)); g.stroke() }
    ring(g, [0, 0, 1]); g.lineWidth = 1.4; g.strokeStyle = css('--rim'); g.stroke()
    const now = new Float32Array(2 * n)
    for (let i = 0; i < n; i++) { const p = moved(iso, base[2 * i], base[2 * i + 1]); now[2 * i] = p[0]; now[2 * i + 1] = p[1] }
    if (points) { const ratio = fit(middle); points.set('place', now); points.draw(ratio * Math.max(3.4, Math.min(13, 190 / Math.sqrt(n))) * Math.max(.8, side() / 640)) }
    mark()
  }
  const rings = () => Math.max(3, Math.min(6, Math.ceil(4 / Math.sqrt(run.c))))
  function mark() {
    const g = pen(over), root = Math.sqrt(run.c), size = Math.max(10, .75 * parseFloat(getComputedStyle(box).fontSize))
    g.font = `${size}px ${css('--sans')}`; g.textAlign = 'center'; g.textBaseline = 'middle'; g.lineJoin = 'round'
    for (let d = 1; d <= rings(); d++) {
      const [u, v, r] = circle(iso, 0, 0, root * d), [x, y] = paper([u, v + r])
      if (r * side() < 26) continue
      g.lineWidth = 4; g.strokeStyle = css('--disk'); g.strokeText(d, x, y); g.fillStyle = css('--soft'); g.fillText(d, x, y)
    }
    const [ox, oy] = paper(moved(iso, 0, 0))
    g.strokeStyle = css('--soft'); g.lineWidth = 1.2; g.beginPath(); g.moveTo(ox - 5, oy); g.lineTo(ox + 5, oy); g.moveTo(ox, oy - 5); g.lineTo(ox, oy + 5); g.stroke()
    if (S.chosen >= 0) {
      const at = place(S.chosen)
      g.strokeStyle = css('--accent'); g.lineWidth = 1.3
      for (const o of near) { g.globalAlpha = o.i === S.hover ? 1 : .5; line(g, segment(at, place(o.i))) }
      g.globalAlpha = 1
      for (const o of near) { const [x, y] = paper(place(o.i)); g.lineWidth = 1.5; g.beginPath(); g.arc(x, y, 6.5, 0, 7); g.stroke() }
      const [x, y] = paper(at); g.strokeStyle = css('--card'); g.lineWidth = 5; g.beginPath(); g.arc(x, y, 9.5, 0, 7); g.stroke()
      g.strokeStyle = css('--ink'); g.lineWidth = 2.2; g.beginPath(); g.arc(x, y, 9.5, 0, 7); g.stroke()
    }
    if (S.hover >= 0 && S.hover !== S.chosen) { const [x, y] = paper(place(S.hover)); g.strokeStyle = css('--ink'); g.lineWidth = 1.6; g.beginPath(); g.arc(x, y, 8, 0, 7); g.stroke() }
    if (lasso?.length > 1) { g.fillStyle = css('--accent'); g.strokeStyle = css('--accent'); g.lineWidth = 1.5; g.beginPath(); lasso.forEach((p, i) => g[i ? 'lineTo' : 'moveTo'](...paper(p))); g.closePath(); g.globalAlpha = .12; g.fill(); g.globalAlpha = 1; g.stroke() }
  }

  // Colours, filters, order
  const lift = o => isDark() ? o.map(v => .83 * v + 43) : o
  const styleOf = k => run.styles[k % run.styles.length]
  const kind = () => kinds[S.colour]
  const look = k => kind().colours ? [lift(hex(kind().colours[k])), 'circle'] : [lift(hex(styleOf(k)[0])), styleOf(k)[1]]
  const visible = i => { for (const k in hidden) if (hidden[k].size && kinds[k] && hidden[k].has(kinds[k].values[i])) return false; return true }
  const quantity = () => S.colour === 'frames' ? Array.from(run.columns.frames) : Array.from(view.distance)
  function span(values) { const s = values.filter(Number.isFinite).sort((a, b) => a - b), at = q => s[Math.round(q * (s.length - 1))] ?? 0; const [a, b] = [at(.01), at(.99)]; return [a, b > a ? b : a + 1e-6] }
  function recolour() {
    if (!view) return
    const colour = new Uint8Array(4 * n), looks = new Float32Array(2 * n), order = [], bright = [], q = kind() ? null : quantity(), [lo, hi] = q ? span(q) : [0, 1]
    for (let i = 0; i < n; i++) {
      const [c, shape] = q ? [lift(ramp((q[i] - lo) / (hi - lo))), 'circle'] : look(kind().values[i])
      const faint = selected && !selected[i] || S.bright >= 0 && kind() && kind().values[i] !== S.bright, wrong = view.predicted && view.predicted[i] !== run.labels[i]
      colour.set([...c, faint ? 26 : 225], 4 * i); looks.set([shapes.indexOf(shape) + (wrong ? shapes.length : 0), faint ? .8 : 1], 2 * i)
      if (visible(i)) (faint ? order : bright).push(i)
    }
    const mix = o => o.sort((a, b) => (a * 2654435761 >>> 0) - (b * 2654435761 >>> 0)) // a fixed order in which no class lies on top
    if (points) { points.set('colour', colour); points.set('look', looks); points.order(Uint32Array.from([...mix(order), ...mix(bright)])) }
    redraw()
  }
  function legend() {
    if (!view) return
    const k = kind(), rows = h('div', {className: 'rows'}), title = words[S.colour] ?? S.colour
    const all = (label, act) => h('button', {type: 'button', className: 'plain', textContent: label, onclick: () => { act(); recolour(); legend(); bins(); count() }})
    const filters = Object.entries(hidden).filter(([o, v]) => v.size && o !== S.colour && kinds[o]).map(([o]) => all(`${words[o] ?? o} filtered ✕`, () => { delete hidden[o] }))
    const head = h('div', {className: 'head'}, h('h3', {textContent: title === 'radius' ? 'radius, as distance' : title}), ...(k ? [all('all', () => { hidden[S.colour] = new Set() }), all('none', () => { hidden[S.colour] = new Set(k.names.map((_, i) => i)) })] : []))
    if (!k) {
      const [lo, hi] = span(quantity())
      rows.append(h('div', {className: 'ramp', style: `background:linear-gradient(90deg,${stops.map(o => rgb(lift(o))).join(',')})`}),
        h('div', {className: 'ends'}, h('span', {textContent: S.colour === 'frames' ? lo : number(lo)}), h('span', {textContent: S.colour === 'frames' ? hi + ' frames' : number(hi)})))
    } else {
      const off = hidden[S.colour] ??= new Set(), counts = k.names.map(() => 0)
      for (const v of k.values) counts[v]++
      k.names.forEach((name, i) => {
        if (!counts[i]) return
        const [c, shape] = look(i), cells = [glyph(rgb(c), shape), h('span', {className: 'label', textContent: name}), h('span', {className: 'count', textContent: counts[i].toLocaleString('en')})]
        const toggle = alone => { if (alone) k.names.forEach((_, o) => o === i ? off.delete(o) : off.add(o)); else off.has(i) ? off.delete(i) : off.add(i); S.bright = -1; recolour(); bins(); count(); for (const o of rows.children) o.setAttribute('aria-pressed', !off.has(+o.dataset.k)) }
        const row = h('button', {type: 'button', title: `${name}: click shows or hides, double click shows it alone`, 'aria-pressed': !off.has(i), onclick: e => toggle(e.detail > 1),
          onpointerenter: () => { S.bright = off.has(i) ? -1 : i; recolour() }, onpointerleave: () => { S.bright = -1; recolour() }}, ...cells)
        row.dataset.k = i; rows.append(row)
      })
    }
    const key = view.predicted ? h('p', {className: 'key'}, glyph(css('--soft'), 'circle', true), h('span', {textContent: 'hollow: not recognised by the linear probe'})) : null
    legendBox.replaceChildren(head, rows, ...filters, ...[key].filter(Boolean))
  }

  // The histogram, and what is selected
  let grid = null, brush = null
  function bins() {
    if (!view) return
    const d = view.distance, top = Math.max(1, [...d].reduce((a, b) => Number.isFinite(b) ? Math.max(a, b) : a, 0)), m = 44, all = new Int32Array(m), own = new Int32Array(m)
    for (let i = 0; i < n; i++) if (visible(i)) { const b = Math.min(m - 1, Math.floor(d[i] / top * m)); all[b]++; if (!selected || selected[i]) own[b]++ }
    grid = {all, own, top, m}; drawBins()
  }
  function drawBins() {
    if (!grid || !histogram.clientWidth) return
    const g = pen(histogram), w = histogram.clientWidth, t = histogram.clientHeight - 18, most = Math.max(1, ...grid.all), b = w / grid.m
    for (const [list, colour] of [[grid.all, css('--ring')], [grid.own, css('--accent')]]) {
      g.fillStyle = colour
      for (let i = 0; i < grid.m; i++) if (list[i]) { const y = Math.max(1.5, (t - 4) * list[i] / most); g.fillRect(i * b + .5, t - y, Math.max(1, b - 1), y) }
    }
    if (brush) { g.fillStyle = css('--accent'); g.globalAlpha = .15; g.fillRect(w * brush[0] / grid.top, 0, w * (brush[1] - brush[0]) / grid.top, t); g.globalAlpha = 1 }
    if (S.chosen >= 0) { const x = w * view.distance[S.chosen] / grid.top; g.strokeStyle = css('--ink'); g.lineWidth = 1.5; g.beginPath(); g.moveTo(x, 0); g.lineTo(x, t); g.stroke() }
    g.fillStyle = css('--soft'); g.font = `11px ${css('--sans')}`; g.textAlign = 'center'; g.strokeStyle = css('--line'); g.lineWidth = 1
    g.beginPath(); g.moveTo(0, t + .5); g.lineTo(w, t + .5); g.stroke()
    const every = Math.max(1, Math.ceil(grid.top / 6))
    for (let d = 0; d <= grid.top; d += every) g.fillText(d, Math.max(4, Math.min(w - 5, w * d / grid.top)), t + 12)
    histogram.setAttribute('aria-label', `hyperbolic distance from the origin: median ${number(median([...view.distance]))}`)
  }
  const distanceAt = e => { const r = histogram.getBoundingClientRect(); return grid.top * Math.max(0, Math.min(1, (e.clientX - r.left) / r.width)) }
  histogram.addEventListener('pointerdown', e => { if (!grid) return; histogram.setPointerCapture(e.pointerId); brush = [distanceAt(e), distanceAt(e)]; brush.start = brush[0] })
  histogram.addEventListener('pointermove', e => { if (brush) { const x = distanceAt(e); brush[0] = Math.min(x, brush.start); brush[1] = Math.max(x, brush.start); drawBins() } })
  histogram.addEventListener('pointerup', () => { if (!brush) return; const [a, b] = brush; brush = null; select(b - a < grid.top / 200 ? null : i => view.distance[i] >= a && view.distance[i] <= b) })
  function select(inside, add = false) {
    const old = selected
    if (inside) { selected = new Uint8Array(n); for (let i = 0; i < n; i++) selected[i] = visible(i) && (inside(i) || add && old?.[i]) ? 1 : 0; if (!selected.includes(1)) selected = null } else selected = null
    recolour(); bins(); count()
    source.tell?.({run: S.run, selected: chosenOnes(selected)})
  }
  const chosenOnes = o => o ? [...o.keys()].filter(i => o[i]) : []
  const quote = o => /[",\n]/.test(o) ? '"' + String(o).replaceAll('"', '""') + '"' : o
  function table(list) {
    const extra = Object.keys(run.columns), p = view.predicted
    return [['name', 'class', ...(p ? ['predicted'] : []), 'distance', 'radius', ...extra], ...list.map(i => [run.names[i], run.class_names[run.labels[i]], ...(p ? [run.class_names[p[i]]] : []), view.distance[i], ball(view.distance[i]), ...extra.map(k => run.columns[k][i])])]
      .map(r => r.map(quote).join(',')).join('\n') + '\n'
  }
  const ball = d => Math.tanh(Math.sqrt(run.c) * d / 2) / Math.sqrt(run.c)
  function save(name, text) { const a = h('a', {href: URL.createObjectURL(new Blob([text], {type: 'text/csv'})), download: name}); a.click(); setTimeout(() => URL.revokeObjectURL(a.href), 1000) }
  function count() {
    const list = chosenOnes(selected), seen = Array.from({length: n}, (_, i) => i).filter(visible)
    if (!list.length) { tally.replaceChildren(h('p', {}, h('b', {textContent: seen.length.toLocaleString('en')}), ` of ${n.toLocaleString('en')} clips shown. Draw a lasso on the disk, or drag over the histogram, to select some.`)); return }
    const right = view.predicted ? `, ${percent(list.filter(i => view.predicted[i] === run.labels[i]).length / list.length)} right` : ''
    const by = new Map(); for (const i of list) by.set(run.labels[i], (by.get(run.labels[i]) ?? 0) + 1)
    const most = [...by].sort((a, b) => b[1] - a[1]).slice(0, 4).map(([k, v]) => `${run.class_names[k]} ${v}`).join(', ')
    const message = h('p', {className: 'said', role: 'status'}), names = list.map(i => run.names[i])
    const button = (textContent, title, onclick) => h('button', {type: 'button', textContent, title, onclick})
    const copy = async () => { try { await navigator.clipboard.writeText(names.join('\n')); message.textContent = `${list.length} names copied` } catch { save('names.txt', names.join('\n') + '\n') } }
    const folder = h('input', {type: 'text', placeholder: 'folder for the subset', 'aria-label': 'folder for the subset', value: state.subset ?? ''})
    const write = async () => { message.textContent = 'writing …'; try { message.textContent = (await source.ask('subset', {run: S.run, index: list, path: folder.value})).message } catch (e) { message.textContent = e.message } }
    tally.replaceChildren(h('p', {}, h('b', {textContent: list.length.toLocaleString('en')}), ` selected, median distance ${number(median(list.map(i => view.distance[i])))}${right}: ${most}${by.size > 4 ? ', …' : ''}`),
      h('div', {className: 'buttons'}, button('names', 'copy the names', copy), button('CSV', 'download a table of the selected clips', () => save('selected.csv', table(list))), button('clear', 'select nothing', () => select(null))),
      ...(state.kernel ? [h('div', {className: 'buttons'}, folder, button('subset', 'write a dataset folder that shows the selected clips alone', write))] : []), message)
  }

  // A clip: facts, skeleton, neighbours
  const right = i => !view.predicted || view.predicted[i] === run.labels[i]
  const heading = i => h('div', {className: 'class'}, glyph(rgb(lift(hex(styleOf(run.labels[i])[0]))), styleOf(run.labels[i])[1], !right(i)), h('span', {textContent: run.class_names[run.labels[i]]}))
  const verdict = i => view.predicted ? h('div', {className: 'verdict ' + (right(i) ? 'good' : 'bad'), textContent: right(i) ? '✓ recognised' : `✗ taken for ${run.class_names[view.predicted[i]]}`}) : null
  const details = i => [['distance', number(view.distance[i])], ['radius', number(ball(view.distance[i]), 4)], ...Object.entries(run.columns).map(([k, v]) => [words[k] ?? k, v[i] < 0 ? 'not known' : k === 'frames' ? v[i] + ' frames' : v[i]])]
  function sheet(i) { return [heading(i), h('div', {className: 'name', textContent: run.names[i]}), h('div', {className: 'numbers'}, ...details(i).flatMap(([k, v]) => [h('span', {textContent: k}), h('span', {textContent: v})])), verdict(i)].filter(Boolean) }
  function play(on) { if (!player) return; player.play(on); playing.textContent = on ? '❚❚' : '▶'; playing.setAttribute('aria-label', on ? 'pause' : 'play') }
  async function pick(i) {
    S.chosen = i; near = []; showChosen(); absent.textContent = ''; redraw(); drawBins()
    if (i < 0) return
    source.tell?.({run: S.run, chosen: i})
    askNear()
    const {run: k} = S, slow = setTimeout(() => { absent.textContent = 'fetching the skeleton …' }, 400), got = await source.ask('clip', {run: k, i}).catch(e => ({error: e.message}))
    clearTimeout(slow)
    if (S.chosen !== i || S.run !== k) return
    box.dataset.clip = got.pack ? run.names[i] : ''; absent.textContent = got.pack ? '' : got.error ?? `No skeleton of this clip is ${state.kernel ? 'at hand: the scene has no dataset' : 'on this page'}.`
    figure.hidden = controls.hidden = !got.pack
    if (!got.pack) return
    got.pack.bytes ??= await unpacked(got.pack.data)
    if (!player) { player = skeletonPlayer(figure, got.pack, got.pack.bytes, t => { seek.value = t }); player.pack = got.pack; play(player.state.playing) }
    else if (player.pack !== got.pack) { player.load(got.pack, got.pack.bytes); player.pack = got.pack }
    player.show(got.at)
  }
  function showChosen() {
    if (S.chosen < 0 || !view) { facts.replaceChildren(h('div', {className: 'none', textContent: 'Click a point to see its clip.'})); nearBox.replaceChildren(); return }
    facts.replaceChildren(...sheet(S.chosen))
  }
  async function askNear() {
    const i = S.chosen, mine = ticket
    if (i < 0) return
    const got = await source.ask('near', {run: S.run, epoch: view.epoch, i}).catch(e => ({index: [], error: e.message}))
    if (S.chosen !== i || mine !== ticket) return
    facts.replaceChildren(...sheet(i))
    near = got.index.map((o, k) => ({i: o, d: got.distance[k]}))
    nearBox.replaceChildren(...near.map(o => h('li', {}, h('button', {type: 'button', title: run.names[o.i], onclick: () => pick(o.i), onpointerenter: () => { S.hover = o.i; redraw() }, onpointerleave: () => { S.hover = -1; redraw() }},
      glyph(rgb(lift(hex(styleOf(run.labels[o.i])[0]))), styleOf(run.labels[o.i])[1], !right(o.i)), h('span', {className: 'label', textContent: run.class_names[run.labels[o.i]]}), h('span', {className: 'name', textContent: run.names[o.i]}), h('span', {className: 'count', textContent: number(o.d)})))))
    redraw()
  }

  // Mouse and keys
  function pointAt(e, reach = 12) {
    const r = stage.getBoundingClientRect(), x = e.clientX - r.left, y = e.clientY - r.top
    let best = -1, near = reach * reach
    if (view) for (let i = 0; i < n; i++) { const [u, v] = paper(place(i)), d = (u - x) ** 2 + (v - y) ** 2; if (d < near && visible(i)) { near = d; best = i } }
    return best
  }
  let held = null
  over.addEventListener('pointerdown', e => {
    if (e.button || !view) return
    over.setPointerCapture(e.pointerId); tip.hidden = true
    const lassoing = S.drag === 'select' !== e.shiftKey
    held = {x: e.clientX, y: e.clientY, last: disk(e), lassoing, add: e.ctrlKey || e.metaKey, far: false}
    if (lassoing) lasso = [disk(e)]
  })
  over.addEventListener('pointermove', e => {
    if (!held) { const i = pointAt(e); if (i !== S.hover) { S.hover = i; redraw() } showTip(i, e); over.style.cursor = i >= 0 ? 'pointer' : ''; return }
    held.far ||= Math.hypot(e.clientX - held.x, e.clientY - held.y) > 4
    if (!held.far) return
    const now = disk(e)
    if (held.lassoing) { lasso.push(now); redraw(); return }
    const tame = ([x, y]) => { const r = Math.hypot(x, y), k = r > .97 ? .97 / r : 1; return [k * x, k * y] }
    tweens = tweens.filter(o => o.kind !== 'move' || (o.done(), false))
    iso = after(carry(tame(held.last), tame(now)), iso); held.last = now; redraw()
  })
  over.addEventListener('pointerup', e => {
    if (!held) return
    const {far, lassoing, add} = held, path = lasso
    held = lasso = null
    if (far && lassoing) select(i => within(place(i), path), add)
    else if (!far) { const i = pointAt(e); if (i >= 0) pick(i) }
    redraw()
  })
  over.addEventListener('pointercancel', () => { held = lasso = null; redraw() })
  over.addEventListener('pointerleave', () => { tip.hidden = true; if (S.hover >= 0) { S.hover = -1; redraw() } })
  over.addEventListener('dblclick', e => { const i = pointAt(e), p = i >= 0 ? place(i) : disk(e); if (Math.hypot(...p) < 1) recentre(...p) })
  const within = ([x, y], path) => path.reduce((inside, [u, v], k) => { const [s, t] = path[(k || path.length) - 1]; return (v > y) !== (t > y) && x < (s - u) * (y - v) / (t - v) + u ? !inside : inside }, false)
  over.addEventListener('keydown', e => {
    const step = {ArrowLeft: [-.18, 0], ArrowRight: [.18, 0], ArrowUp: [0, -.18], ArrowDown: [0, .18]}[e.key]
    const act = step ? () => recentre(...step, 180) : {Escape: () => { select(null); pick(-1) }, Home: restore, 0: restore, Enter: () => S.chosen >= 0 && recentre(...place(S.chosen)),
      n: () => n && pick((S.chosen + 1) % n), p: () => n && pick((S.chosen + n - 1) % n), ' ': () => play(!player?.state.playing)}[e.key]
    if (act && !e.ctrlKey && !e.metaKey && !e.altKey) { e.preventDefault(); e.stopPropagation(); act() }
  })
  over.setAttribute('aria-label', 'Poincaré disk of the clips. Arrow keys move it, n and p go through the clips, Enter brings the chosen clip to the middle, Home the origin, space plays, Escape clears')
  function showTip(i, e) {
    tip.hidden = i < 0
    if (i < 0) return
    if (tip.dataset.i !== String(i)) { tip.dataset.i = i; tip.replaceChildren(...sheet(i)) }
    const {offsetWidth: w, offsetHeight: t} = tip
    tip.style.left = Math.max(4, e.clientX + 18 + w > innerWidth ? e.clientX - w - 14 : e.clientX + 18) + 'px'; tip.style.top = Math.max(4, Math.min(e.clientY + 14, innerHeight - t - 6)) + 'px'
  }

  // Training that runs
  let standing = null
  function showTraining() {
    const t = standing
    training.hidden = !t?.status
    if (!t?.status) return
    const line = k => t.rows.map(r => r[k]).filter(Number.isFinite), stop = h('button', {type: 'button', textContent: 'stop', disabled: t.status !== 'running', onclick: () => source.ask('stop', {}).catch(tellTraining)})
    const go = h('button', {type: 'button', textContent: 'go on', disabled: !['stopped', 'failed', 'ready'].includes(t.status), onclick: () => source.ask('go', {}).catch(tellTraining)})
    const bar = h('div', {className: 'progress', role: 'progressbar', 'aria-valuenow': Math.round(100 * t.progress), 'aria-label': 'progress of the training'}, h('i', {style: `width:${100 * t.progress}%`}))
    training.className = 'training ' + t.status
    training.replaceChildren(h('div', {className: 'how'}, h('div', {className: 'head'}, h('h3', {textContent: 'Training'}), h('span', {className: 'status', textContent: t.status}), stop, go), bar, h('p', {className: 'said', role: t.status === 'failed' ? 'alert' : 'status', textContent: t.message})),
      ...[['loss', 'loss', '--left'], ['radius', 'mean radius', '--accent']].map(([k, label, colour]) => {
        const v = line(k), c = h('canvas', {className: 'curve', role: 'img', 'aria-label': `${label} by epoch`})
        requestAnimationFrame(() => curve(c, v, css(colour)))
        return h('div', {className: 'measure'}, h('span', {textContent: label}, h('b', {textContent: v.length ? number(v.at(-1), 3) : '–'})), c)
      }))
  }
  function curve(c, v, colour) {
    const g = pen(c), [lo, hi] = [Math.min(...v), Math.max(...v)], y = o => 6 + (c.clientHeight - 12) * (1 - (o - lo) / (hi - lo || 1)), x = i => v.length < 2 ? 4 : 4 + (c.clientWidth - 8) * i / (v.length - 1)
    g.strokeStyle = g.fillStyle = colour; g.lineWidth = 2; g.lineJoin = 'round'; g.beginPath(); v.forEach((o, i) => g[i ? 'lineTo' : 'moveTo'](x(i), y(o))); g.stroke()
    if (v.length) { g.beginPath(); g.arc(x(v.length - 1), y(v.at(-1)), 3, 0, 7); g.fill() }
  }
  const tellTraining = e => { training.querySelector('.said').textContent = e.message }

  // Theme, size, life
  const isDark = () => document.body.dataset.jpThemeLight ? document.body.dataset.jpThemeLight === 'false' : night.matches
  const dress = () => { box.classList.toggle('dark', isDark()); player?.look(); recolour(); legend(); drawBins(); showTraining(); if (S.chosen >= 0 && view) askNear() }
  const themes = new MutationObserver(dress), sizes = new ResizeObserver(() => { redraw(); drawBins() })
  themes.observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light']}); night.addEventListener('change', dress)
  sizes.observe(stage); sizes.observe(histogram)
  box.classList.toggle('dark', isDark())
  const api = {
    S, ready: null, recentre: i => recentre(...place(i)), restore, pick, goto, select,
    get iso() { return iso }, get n() { return n }, get view() { return view }, get near() { return near }, get selected() { return chosenOnes(selected) }, get moving() { return tweens.length > 0 }, get player() { return player },
    name: i => run.names[i],
    place, where: i => { const r = stage.getBoundingClientRect(), [x, y] = paper(place(i)); return [r.left + x, r.top + y] },
    redraw: () => { dirty = true; const t = performance.now(); paint(); return performance.now() - t },
    live(next) { standing = next; showTraining() },
    update(next) {
      const was = run.epochs, now = was[S.epoch], same = next.runs.length === state.runs.length && next.runs[S.run].names.length === n
      state = next
      if (!same) return openRun(0)
      run = state.runs[S.run]; setEpochs()
      const last = run.epochs.length - 1, at = run.epochs.findLastIndex(o => o <= now)
      if (S.follow && run.epochs[last] !== now) goto(last)
      else if (run.epochs[at] !== now) goto(Math.max(at, 0)) // it was thinned out
      else { S.epoch = at; epochs.value = at }
    },
    close() { cancelAnimationFrame(frame); themes.disconnect(); sizes.disconnect(); night.removeEventListener('change', dress); player?.close(); points?.close() },
  }
  root.explorer = box.explorer = api
  api.ready = openRun(0).then(() => { box.dataset.ready = 'yes' })
  return api
}

// Without a kernel: everything asked for lies in the page
export function page(root, data) {
  const nears = {}
  const answers = {
    view: ({run, epoch, projection}) => data.views[`${run} ${epoch} ${projection}`],
    async near({run, epoch, i}) {
      const o = data.near[`${run} ${epoch}`], at = nears[`${run} ${epoch}`] ??= {index: await ints(o.index), distance: await floats(o.distance)}
      return {index: [...at.index.slice(i * o.k, (i + 1) * o.k)], distance: [...at.distance.slice(i * o.k, (i + 1) * o.k)]}
    },
    clip: ({run, i}) => { const at = data.clips[run]?.which.indexOf(i) ?? -1; return at < 0 ? {} : {pack: data.clips[run].pack, at} },
  }
  const plays = (run, i) => data.clips[run]?.which.includes(i) ?? false
  return explorer(root, data.state, {plays, ask: async (what, args) => answers[what](args)})
}

// With a kernel, by way of anywidget
function render({model, el}) {
  const waiting = new Map(), views = {...model.get('fresh')} // views that came unasked
  let last = 0
  const hear = m => { const o = waiting.get(m.id); if (!o) return; waiting.delete(m.id); m.error ? o.no(new Error(m.error)) : o.yes(m) }
  const source = {
    ask: async (what, args) => what === 'view' && views[`${args.run} ${args.epoch} ${args.projection}`] || new Promise((yes, no) => { waiting.set(++last, {yes, no}); model.send({id: last, what, ...args}) }),
    tell: facts => { for (const k in facts) model.set(k, facts[k]); model.save_changes() },
  }
  const keep = () => Object.assign(views, model.get('fresh'))
  model.on('msg:custom', hear); model.on('change:fresh', keep)
  const shown = explorer(el, model.get('state'), source), grow = () => shown.update(model.get('state')), live = () => shown.live(model.get('live'))
  model.on('change:state', grow); model.on('change:live', live); live()
  return () => { model.off('msg:custom', hear); model.off('change:fresh', keep); model.off('change:state', grow); model.off('change:live', live); shown.close() }
}
export default {render}
