// How things look, in the explorer and on the page: numbers, elements, canvases, glyphs, colours

// Numbers
const number = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits) : '∞')
const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`
const ascending = values => [...values].sort((a, b) => a - b)
const quantile = (sorted, q) => (sorted.length ? sorted[Math.round(q * (sorted.length - 1))] : NaN)
const median = values => quantile(ascending(values), 0.5)

// Packed arrays: base64 of deflated bytes
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0))
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))
  return new Response(stream).arrayBuffer()
}

// An element with properties, attributes and listeners (`onclick`), and what is inside it
function element(tag, given = {}, ...inside) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value)
    else if (name in made) made[name] = value
    else made.setAttribute(name, value)
  }
  made.append(...inside.filter(part => part !== null && part !== undefined))
  return made
}

function svg(tag, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  return made
}

// What the system asks for: a dark page, and that nothing moves by itself
const night = matchMedia('(prefers-color-scheme: dark)')
const wantsCalm = () => matchMedia('(prefers-reduced-motion: reduce)').matches

// Canvases: as many pixels as the screen has, and a clean pen in units of the page
function fit(canvas) {
  const ratio = devicePixelRatio || 1
  const width = Math.round(canvas.clientWidth * ratio)
  const height = Math.round(canvas.clientHeight * ratio)
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width
    canvas.height = height
  }
  return ratio
}
function cleanPen(canvas) {
  const ratio = fit(canvas)
  const pen = canvas.getContext('2d')
  pen.setTransform(ratio, 0, 0, ratio, 0, 0)
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight)
  return pen
}
function strokeLine(pen, points) {
  pen.beginPath()
  for (const point of points) pen.lineTo(...point)
  pen.stroke()
}
function discPath(pen, x, y, radius) {
  pen.beginPath()
  pen.arc(x, y, radius, 0, 2 * Math.PI)
}

// Glyphs: each shape once, as a path about 0 within radius 1, for the points and for the legends
function regular(corners, turn, inner) {
  const count = inner ? 2 * corners : corners
  return Array.from({length: count}, (_, i) => {
    const angle = turn + (2 * Math.PI * i) / count
    const r = inner && i % 2 ? inner : 0.98
    return [r * Math.sin(angle), -r * Math.cos(angle)]
  })
}
const plus = [
  [-0.3, -0.9],
  [0.3, -0.9],
  [0.3, -0.3],
  [0.9, -0.3],
  [0.9, 0.3],
  [0.3, 0.3],
  [0.3, 0.9],
  [-0.3, 0.9],
  [-0.3, 0.3],
  [-0.9, 0.3],
  [-0.9, -0.3],
  [-0.3, -0.3],
]
const outlines = {
  circle: null,
  diamond: regular(4, 0),
  square: regular(4, Math.PI / 4),
  cross: plus,
  star: regular(5, 0, 0.42),
  pentagon: regular(5, 0),
  x: plus.map(([x, y]) => [(x - y) * Math.SQRT1_2, (x + y) * Math.SQRT1_2]),
  hexagon: regular(6, 0),
  'triangle-up': regular(3, 0),
  'triangle-down': regular(3, Math.PI),
  'triangle-left': regular(3, -Math.PI / 2),
  'triangle-right': regular(3, Math.PI / 2),
}
const shapes = Object.keys(outlines)
const hollowStroke = 0.3
const glyphReach = hollow => (hollow ? 0.78 : 0.86)

// A glyph on a canvas, about (x, y)
function traceGlyph(pen, shape, x, y, radius, hollow) {
  const reach = glyphReach(hollow) * radius
  pen.beginPath()
  if (outlines[shape]) {
    for (const [u, v] of outlines[shape]) pen.lineTo(x + reach * u, y + reach * v)
    pen.closePath()
  } else pen.arc(x, y, reach, 0, 2 * Math.PI)
  if (hollow) {
    pen.lineWidth = hollowStroke * radius
    pen.lineJoin = 'round'
    pen.stroke()
  } else pen.fill()
}

// A glyph as a picture of its own
function glyph(colour, shape, hollow) {
  const reach = glyphReach(hollow)
  const paint = hollow
    ? {fill: 'none', stroke: colour, 'stroke-width': hollowStroke, 'stroke-linejoin': 'round'}
    : {fill: colour}
  const corners = outlines[shape]?.map(point => point.map(value => reach * value).join())
  const outline = corners
    ? svg('polygon', {points: corners.join(' '), ...paint})
    : svg('circle', {r: reach, ...paint})
  const box = svg('svg', {viewBox: '-1.08 -1.08 2.16 2.16', class: 'glyph', 'aria-hidden': 'true'})
  box.append(outline)
  return box
}

// Colours, as triples from 0 to 255
const hex = text => [1, 3, 5].map(at => parseInt(text.slice(at, at + 2), 16))
const rgb = colour => `rgb(${colour.map(Math.round).join(',')})`
const lighter = colour => colour.map(value => 0.83 * value + 43) // for a dark page
const rampStops = ['#46327e', '#365c8d', '#277f8e', '#1fa187', '#4ac16d', '#a0da39', '#e9d51f']
const rampColours = rampStops.map(hex)
function ramp(share) {
  const at = Math.max(0, Math.min(1, share)) * (rampColours.length - 1)
  const i = Math.min(Math.floor(at), rampColours.length - 2)
  return rampColours[i].map((value, k) => value + (rampColours[i + 1][k] - value) * (at - i))
}
