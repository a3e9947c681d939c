// A training that runs: how far it is, its loss and radius, a button that stops it
function trainingPanel(model) {
  const section = element('section', {className: 'training', hidden: true})
  section.setAttribute('aria-label', 'training')

  function draw() {
    const {standing} = model
    section.hidden = !standing?.status
    if (section.hidden) return
    section.className = `training ${standing.status}`
    const loss = measure(model, 'loss', 'loss', '--left')
    const radius = measure(model, 'radius', 'mean radius', '--accent')
    section.replaceChildren(how(standing), loss, radius)
  }
  function how({status, progress, message}) {
    const done = Math.round(100 * progress)
    const bar = {className: 'progress', role: 'progressbar', 'aria-valuenow': done}
    const style = `width:${100 * progress}%`
    const role = status === 'failed' ? 'alert' : 'status'
    const said = element('p', {className: 'said', role, textContent: message})
    const button = (what, textContent, enabled) => {
      const complain = error => {
        said.textContent = error.message
      }
      const onclick = () => model.source.ask(what, {}).catch(complain)
      return element('button', {type: 'button', textContent, disabled: !enabled, onclick})
    }
    const stop = button('stop', 'stop', status === 'running')
    const go = button('go', 'go on', ['stopped', 'failed', 'ready'].includes(status))
    return element(
      'div',
      {className: 'how'},
      element(
        'div',
        {className: 'head'},
        heading('Training'),
        textSpan(status, 'status'),
        stop,
        go,
      ),
      element('div', {...bar, 'aria-label': 'progress of the training'}, element('i', {style})),
      said,
    )
  }
  return {element: section, draw}
}
function measure(model, column, label, colour) {
  const values = model.standing.rows.map(row => row[column]).filter(Number.isFinite)
  const canvas = element('canvas', {className: 'curve', role: 'img'})
  canvas.setAttribute('aria-label', `${label} by epoch`)
  requestAnimationFrame(() => paintCurve(canvas, values, model.css(colour)))
  const last = values.length ? number(values.at(-1), 3) : '–'
  const name = element('span', {textContent: label}, element('b', {textContent: last}))
  return element('div', {className: 'measure'}, name, canvas)
}
function paintCurve(canvas, values, colour) {
  const pen = cleanPen(canvas)
  const low = Math.min(...values)
  const high = Math.max(...values)
  const width = canvas.clientWidth - 8
  const height = canvas.clientHeight - 12
  const points = values.map((value, i) => [
    4 + (values.length < 2 ? 0 : (width * i) / (values.length - 1)),
    6 + height * (1 - (value - low) / (high - low || 1)),
  ])
  pen.strokeStyle = colour
  pen.fillStyle = colour
  pen.lineWidth = 2
  pen.lineJoin = 'round'
  strokeLine(pen, points)
  if (!points.length) return
  discPath(pen, ...points.at(-1), 3)
  pen.fill()
}
