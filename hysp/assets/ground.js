// What is painted below and above the points: rim, rings, density, distances, names, selections

const directions = [0, 1, 2, 3, 4, 5].map(k => [
  Math.cos((Math.PI * k) / 6),
  Math.sin((Math.PI * k) / 6),
])
const ringCount = c => Math.max(3, Math.min(6, Math.ceil(4 / Math.sqrt(c))))
const rings = ({isometry}, c) =>
  Array.from({length: ringCount(c)}, (_, k) => circle(isometry, 0, 0, Math.sqrt(c) * (k + 1)))
const dashes = model => (model.keepsDistance === false ? [5, 5] : [])

// Points of a line through the origin, from rim to rim
function rayPath(places, [x, y]) {
  return Array.from({length: 65}, (_, i) => {
    const r = Math.tanh((i - 32) / 5)
    return places.paper(moved(places.isometry, r * x, r * y))
  })
}
function ringPath(pen, places, [x, y, radius]) {
  discPath(pen, ...places.paper([x, y]), Math.max(0, (places.side / 2 / diskMargin) * radius))
}
function paintGround(canvas, model, places, density) {
  const pen = cleanPen(canvas)
  ringPath(pen, places, [0, 0, 1])
  pen.fillStyle = model.css('--disk')
  pen.fill()
  if (density) {
    pen.save()
    pen.clip()
    pen.drawImage(density, 0, 0, places.side, places.side)
    pen.restore()
  }
  pen.strokeStyle = model.css('--ring')
  pen.lineWidth = 0.6
  pen.globalAlpha = 0.7
  for (const direction of directions) strokeLine(pen, rayPath(places, direction))
  pen.globalAlpha = 1
  pen.lineWidth = 1
  pen.setLineDash(dashes(model))
  for (const ring of rings(places, model.run.c)) {
    ringPath(pen, places, ring)
    pen.stroke()
  }
  pen.setLineDash([])
  ringPath(pen, places, [0, 0, 1])
  pen.lineWidth = 1.4
  pen.strokeStyle = model.css('--rim')
  pen.stroke()
}

// How dense the points lie on paper, as a soft picture; only where there are many
const manyClips = 5000
const densityCells = 64
function paintDensity(model, spots) {
  const cells = densityCells
  const counts = new Float32Array(cells * cells)
  for (let i = 0; i < model.count; i++) {
    if (!model.visible(i)) continue
    const column = Math.floor((cells / 2) * (1 + spots[2 * i] / diskMargin))
    const row = Math.floor((cells / 2) * (1 - spots[2 * i + 1] / diskMargin))
    counts[row * cells + column]++
  }
  const smooth = smoothed(smoothed(counts, cells), cells)
  const most = smooth.reduce((a, b) => Math.max(a, b), 1e-9)
  const [red, green, blue] = hex(model.css('--soft'))
  const picture = element('canvas', {width: cells, height: cells})
  const image = new ImageData(cells, cells)
  const {data} = image
  for (let k = 0; k < smooth.length; k++) {
    data[4 * k] = red
    data[4 * k + 1] = green
    data[4 * k + 2] = blue
    data[4 * k + 3] = 90 * Math.sqrt(smooth[k] / most)
  }
  picture.getContext('2d').putImageData(image, 0, 0)
  return picture
}
// Each cell the weighted mean of itself and its eight neighbours
function smoothed(counts, cells) {
  const across = counts.map(
    (value, k) => (2 * value + (counts[k - 1] ?? 0) + (counts[k + 1] ?? 0)) / 4,
  )
  return across.map(
    (value, k) => (2 * value + (across[k - cells] ?? 0) + (across[k + cells] ?? 0)) / 4,
  )
}

// What lies over the points: names, distances at the rings, the origin, the chosen clip, and the
// outline with which some are being selected
function paintMarks(canvas, model, places, {outline, names}) {
  const pen = cleanPen(canvas)
  const {chosen, hover} = model.now
  const distances = paintDistances(pen, model, places)
  paintOrigin(pen, model, places)
  if (chosen >= 0) paintChosen(pen, model, places)
  if (hover >= 0 && hover !== chosen) {
    strokeDisc(pen, places.paper(places.place(hover)), 8, 1.6, model.css('--ink'))
  }
  const named = paintNames(pen, model, places, names, distances)
  if (outline?.length > 1)
    paintOutline(
      pen,
      outline.map(point => places.paper(point)),
      model.css('--accent'),
    )
  return {distances, named}
}
function strokeDisc(pen, [x, y], radius, width, colour) {
  pen.strokeStyle = colour
  pen.lineWidth = width
  discPath(pen, x, y, radius)
  pen.stroke()
}

// Text with a rim, so that it can be read over points
function letterSize(model) {
  return Math.max(10, 0.78 * parseFloat(getComputedStyle(model.inside).fontSize))
}
function setLetters(pen, model, weight, colour) {
  pen.font = `${weight} ${letterSize(model)}px ${model.css('--sans')}`
  pen.textAlign = 'center'
  pen.textBaseline = 'middle'
  pen.lineJoin = 'round'
  pen.lineWidth = 4
  pen.strokeStyle = model.css('--disk')
  pen.fillStyle = model.css(colour)
}
function writeOver(pen, text, x, y) {
  pen.strokeText(text, x, y)
  pen.fillText(text, x, y)
}

// Distances at the rings, where there is room
function paintDistances(pen, model, places) {
  setLetters(pen, model, 400, '--soft')
  const written = []
  for (const [k, [u, v, radius]] of rings(places, model.run.c).entries()) {
    if (radius * places.side < 26) continue
    const [x, y] = keptInside(places, places.paper([u, v - radius]), [8, 8])
    writeOver(pen, k + 1, x, y)
    written.push({text: k + 1, x, y})
  }
  return written
}

// The middle of what is written about a place, drawn towards the middle of the disk as far as it
// must be for all of its box, which reaches so far to the sides, to lie within the circle of the
// canvas. Of (t·x + a)² + (t·y + b)² = r² it takes the larger root.
function keptInside(places, [x, y], [a, b]) {
  const r = places.side / 2
  const [u, v] = [Math.abs(x - r), Math.abs(y - r)]
  if ((u + a) ** 2 + (v + b) ** 2 <= r * r) return [x, y]
  const square = u * u + v * v
  const mixed = a * u + b * v
  const room = mixed ** 2 + square * (r * r - a * a - b * b)
  const t = room > 0 ? Math.max(0, (Math.sqrt(room) - mixed) / square) : 0
  return [r + t * (x - r), r + t * (y - r)]
}

// Names at their means, those of many clips first; a name gives way to others, or is left out
function paintNames(pen, model, places, names, taken) {
  setLetters(pen, model, 600, '--ink')
  const widthOf = text => pen.measureText(text).width
  const written = namePlaces(names, places, letterSize(model), taken, widthOf)
  for (const {text, x, y} of written) writeOver(pen, text, x, y)
  return written
}
function namePlaces(names, places, size, taken, widthOf) {
  const boxes = taken.map(({x, y}) => [x - 8, y - 8, x + 8, y + 8])
  const found = []
  const free = ([left, top, right, bottom]) =>
    boxes.every(box => right < box[0] || left > box[2] || bottom < box[1] || top > box[3])
  for (const {text: whole, mean} of names) {
    const text = shortened(whole, 0.7 * places.side, widthOf)
    const reach = [widthOf(text) / 2 + 3, 0.6 * size + 2]
    const [x, y] = places.paper(moved(places.isometry, ...mean))
    const spots = [0, -1, 1, -2, 2].map(lines =>
      keptInside(places, [x, y + lines * 1.15 * size], reach),
    )
    const boxAt = spot => [-1, 1].flatMap(way => spot.map((at, axis) => at + way * reach[axis]))
    const spot = spots.find(each => free(boxAt(each)))
    if (!spot) continue
    boxes.push(boxAt(spot))
    found.push({text, x: spot[0], y: spot[1]})
  }
  return found
}
// Text that is no wider than it may be, if need be without its end
function shortened(text, most, widthOf) {
  let letters = [...text]
  let shown = text
  while (widthOf(shown) > most && letters.length > 1) {
    letters = letters.slice(0, -1)
    shown = `${letters.join('').trimEnd()}…`
  }
  return shown
}
// The values of a kind that are shown, and their Fréchet means on the disk
const manyNames = 120
function namedMeans(model, onDisk) {
  const {kind, now} = model
  if (!kind || !now.names || kind.names.length > manyNames) return []
  const members = kind.names.map(() => [])
  for (let i = 0; i < model.count; i++) if (model.visible(i)) members[kind.values[i]].push(i)
  const there = [...members.keys()].filter(value => members[value].length)
  there.sort((a, b) => members[b].length - members[a].length)
  return there.map(value => ({
    text: kind.names[value],
    mean: frechetMean(onDisk, members[value]),
  }))
}

function paintOrigin(pen, model, places) {
  const [x, y] = places.paper(moved(places.isometry, 0, 0))
  pen.strokeStyle = model.css('--soft')
  pen.lineWidth = 1.2
  strokeLine(pen, [
    [x - 5, y],
    [x + 5, y],
  ])
  strokeLine(pen, [
    [x, y - 5],
    [x, y + 5],
  ])
}
function paintChosen(pen, model, places) {
  const {chosen, hover} = model.now
  const place = places.place(chosen)
  const accent = model.css('--accent')
  pen.strokeStyle = accent
  pen.lineWidth = 1.3
  for (const {i} of model.near) {
    pen.globalAlpha = i === hover ? 1 : 0.5
    const geodesic = segment(place, places.place(i))
    strokeLine(
      pen,
      geodesic.map(point => places.paper(point)),
    )
  }
  pen.globalAlpha = 1
  for (const {i} of model.near) strokeDisc(pen, places.paper(places.place(i)), 6.5, 1.5, accent)
  strokeDisc(pen, places.paper(place), 9.5, 5, model.css('--card'))
  strokeDisc(pen, places.paper(place), 9.5, 2.2, model.css('--ink'))
}
function paintOutline(pen, path, colour) {
  pen.fillStyle = colour
  pen.strokeStyle = colour
  pen.lineWidth = 1.5
  pen.beginPath()
  for (const point of path) pen.lineTo(...point)
  pen.closePath()
  pen.globalAlpha = 0.12
  pen.fill()
  pen.globalAlpha = 1
  pen.stroke()
}
