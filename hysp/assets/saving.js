// Files that leave the explorer

function download(name, content, type = 'text/csv') {
  const href = URL.createObjectURL(new Blob([content], {type}))
  element('a', {href, download: name}).click()
  setTimeout(() => URL.revokeObjectURL(href), 1000)
}
const pictureName = (model, ending) => `${model.run.name} epoch ${model.view.epoch}.${ending}`

// The disk as it is painted, with the pixels of the screen
async function savePng(model, disk) {
  disk.paint() // the points stay on their canvas until the browser shows them
  const {width, height} = disk.canvases[0]
  const whole = element('canvas', {width, height})
  const pen = whole.getContext('2d')
  pen.fillStyle = model.css('--paper')
  pen.fillRect(0, 0, width, height)
  for (const canvas of disk.canvases) pen.drawImage(canvas, 0, 0, width, height)
  const blob = await new Promise(done => whole.toBlob(done, 'image/png'))
  download(pictureName(model, 'png'), blob, 'image/png')
}

// The disk as lines and glyphs, in units of the page
function saveSvg(model, disk) {
  const picture = diskSvg(model, disk)
  download(
    pictureName(model, 'svg'),
    new XMLSerializer().serializeToString(picture),
    'image/svg+xml',
  )
}
function diskSvg(model, disk) {
  const {places} = disk
  const {side} = places
  const picture = svg('svg', {width: side, height: side, viewBox: `0 0 ${side} ${side}`})
  picture.append(svg('rect', {width: side, height: side, fill: model.css('--paper')}))
  picture.append(...groundShapes(model, places), ...pointShapes(disk))
  picture.append(...letterShapes(model, disk))
  return picture
}
const onPaper = points => points.map(point => point.map(value => value.toFixed(2)).join()).join(' ')
function circleShape(places, [x, y, radius], paint) {
  const [cx, cy] = places.paper([x, y])
  return svg('circle', {cx, cy, r: (places.side / 2 / diskMargin) * radius, fill: 'none', ...paint})
}
function groundShapes(model, places) {
  const thin = {fill: 'none', stroke: model.css('--ring'), 'stroke-width': 0.6}
  const dashed = {...thin, 'stroke-width': 1, 'stroke-dasharray': dashes(model).join(' ')}
  const rim = {stroke: model.css('--rim'), 'stroke-width': 1.4}
  return [
    circleShape(places, [0, 0, 1], {fill: model.css('--disk')}),
    ...directions.map(direction =>
      svg('polyline', {points: onPaper(rayPath(places, direction)), ...thin}),
    ),
    ...rings(places, model.run.c).map(ring => circleShape(places, ring, dashed)),
    circleShape(places, [0, 0, 1], rim),
  ]
}
// In the order in which they are painted
function pointShapes(disk) {
  const {order, colours, looks} = disk.dressed
  return [...order].map(i => {
    const [x, y] = disk.place(i)
    const [left, top] = disk.places.paper([x, y])
    const [cell, size] = [looks[2 * i], looks[2 * i + 1]]
    const hollow = cell >= shapes.length
    const colour = rgb([...colours.slice(4 * i, 4 * i + 3)])
    const reach = (disk.pointSize() / 2) * size * (0.6 + 0.4 * (1 - x * x - y * y))
    const made = glyph(colour, shapes[cell % shapes.length], hollow).firstChild
    made.setAttribute(
      'transform',
      `translate(${left.toFixed(2)} ${top.toFixed(2)}) scale(${reach})`,
    )
    made.setAttribute('opacity', (colours[4 * i + 3] / 255).toFixed(2))
    return made
  })
}
function letterShapes(model, disk) {
  const {places} = disk
  const size = letterSize(model)
  const letters = {
    'font-family': model.css('--sans'),
    'font-size': size,
    'text-anchor': 'middle',
    'paint-order': 'stroke',
    stroke: model.css('--disk'),
    'stroke-width': 4,
    'stroke-linejoin': 'round',
  }
  const text = (words, x, y, paint) => {
    const made = svg('text', {x, y: y + 0.35 * size, ...letters, ...paint})
    made.textContent = words
    return made
  }
  const {named, distances} = disk.letters
  const soft = {fill: model.css('--soft')}
  const strong = {fill: model.css('--ink'), 'font-weight': 600}
  return [
    ...distances.map(({text: words, x, y}) => text(words, x, y, soft)),
    ...named.map(({text: words, x, y}) => text(words, x, y, strong)),
  ]
}
