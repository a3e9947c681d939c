// How far out clips are; dragging over it selects
function histogramPanel(model, act) {
  const canvas = element('canvas', {className: 'histogram', role: 'img'})
  const title = heading('Distance from the origin')
  let bins = null
  let brush = null // where dragging began and where it is, as distances

  function count() {
    if (!model.view) return
    bins = binned(model)
    draw()
  }
  function draw() {
    if (bins && model.view && canvas.clientWidth) paintHistogram(canvas, model, bins, brush)
  }
  function pointed(event) {
    const box = canvas.getBoundingClientRect()
    return bins.top * Math.max(0, Math.min(1, (event.clientX - box.left) / box.width))
  }
  canvas.addEventListener('pointerdown', event => {
    if (!bins || !model.view) return
    canvas.setPointerCapture(event.pointerId)
    brush = [pointed(event), pointed(event)]
  })
  canvas.addEventListener('pointermove', event => {
    if (!brush) return
    brush[1] = pointed(event)
    draw()
  })
  canvas.addEventListener('pointerup', () => {
    if (!brush) return
    const [low, high] = ascending(brush)
    const {distance} = model.view
    brush = null
    const between = i => distance[i] >= low && distance[i] <= high
    act.select(high - low < bins.top / 200 ? null : between)
  })
  canvas.addEventListener('pointercancel', () => {
    brush = null
    draw()
  })
  return {element: element('section', {className: 'distances'}, title, canvas), canvas, count, draw}
}
// Counts of the clips that are shown, and of those among them that are selected
function binned(model) {
  const size = 44
  const {distance} = model.view
  const all = new Int32Array(size)
  const own = new Int32Array(size)
  const top = distance.filter(Number.isFinite).reduce((a, b) => Math.max(a, b), 1)
  for (let i = 0; i < model.count; i++) {
    if (!model.visible(i)) continue
    const bin = Math.min(size - 1, Math.floor((distance[i] / top) * size))
    all[bin]++
    if (!model.selected || model.selected[i]) own[bin]++
  }
  return {all, own, top, size}
}
function paintHistogram(canvas, model, bins, brush) {
  const pen = cleanPen(canvas)
  const width = canvas.clientWidth
  const height = canvas.clientHeight - 18
  const at = distance => (width * distance) / bins.top
  paintBars(pen, bins.all, bins, width, height, model.css('--ring'))
  paintBars(pen, bins.own, bins, width, height, model.css('--accent'))
  if (brush) {
    const [low, high] = ascending(brush)
    pen.globalAlpha = 0.15
    pen.fillRect(at(low), 0, at(high - low), height)
    pen.globalAlpha = 1
  }
  if (model.now.chosen >= 0) {
    const x = at(model.view.distance[model.now.chosen])
    pen.strokeStyle = model.css('--ink')
    pen.lineWidth = 1.5
    strokeLine(pen, [
      [x, 0],
      [x, height],
    ])
  }
  pen.strokeStyle = model.css('--line')
  pen.lineWidth = 1
  strokeLine(pen, [
    [0, height + 0.5],
    [width, height + 0.5],
  ])
  pen.fillStyle = model.css('--soft')
  pen.font = `11px ${model.css('--sans')}`
  pen.textAlign = 'center'
  const step = Math.max(1, Math.ceil(bins.top / 6))
  for (let distance = 0; distance <= bins.top; distance += step) {
    pen.fillText(distance, Math.max(4, Math.min(width - 5, at(distance))), height + 12)
  }
  const middle = number(median(model.view.distance))
  canvas.setAttribute('aria-label', `hyperbolic distance from the origin: median ${middle}`)
}
function paintBars(pen, counts, bins, width, height, colour) {
  const most = Math.max(1, ...bins.all)
  const step = width / bins.size
  pen.fillStyle = colour
  for (const [bin, count] of counts.entries()) {
    if (!count) continue
    const tall = Math.max(1.5, ((height - 4) * count) / most)
    pen.fillRect(bin * step + 0.5, height - tall, Math.max(1, step - 1), tall)
  }
}
