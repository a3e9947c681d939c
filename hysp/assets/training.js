// A training that runs: how far it is, its curves and verdict, a button that stops it
function trainingPanel(model) {
  const section = element('section', {className: 'training', hidden: true})
  section.setAttribute('aria-label', 'training')

  function draw() {
    const {standing} = model
    section.hidden = !standing?.status
    if (section.hidden) return
    section.className = `training ${standing.status}`
    const mirror = element('p', {className: 'mirror', textContent: standing.verdict})
    const panels = element('div', {className: 'curves'}, ...curves(standing))
    section.replaceChildren(how(standing), panels, mirror)
  }
  function curves({rows, looks, free}) {
    const column = (table, name) => table.map(row => row[name]).filter(Number.isFinite)
    const right = column(looks, 'right')
    const untrained = free['the same encoder untrained']
    const found = [
      measure(model, column(rows, 'loss'), 'loss', '--left'),
      measure(model, column(looks, 'distance'), 'mean distance', '--accent'),
      measure(model, column(looks, 'certainty'), 'certainty of neighbours', '--good'),
    ]
    if (right.length) found.push(measure(model, right, 'neighbours right', '--ink', untrained))
    return found
  }
  function how({status, progress, message}) {
    const done = Math.round(100 * progress)
    const bar = {className: 'progress', role: 'progressbar', 'aria-valuenow': done}
    const style = `width:${100 * progress}%`
    const role = status === 'failed' ? 'alert' : 'status'
    const said = element('p', {className: 'said', role, textContent: message})
    const complain = error => {
      said.textContent = error.message
    }
    const ask = (what, text, title, enabled) => {
      const made = button(text, title, () => model.source.ask(what, {}).catch(complain))
      made.disabled = !enabled
      return made
    }
    const stop = ask('stop', 'stop', 'save the state and end', status === 'running')
    const may = ['stopped', 'failed', 'ready'].includes(status)
    const go = ask('go', 'go on', 'begin, or go on from the state that is saved', may)
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
// A curve with its last value; `base`, if there is one, is a dashed line to compare it with
function measure(model, values, label, colour, base) {
  const canvas = element('canvas', {className: 'curve', role: 'img'})
  const against = base === undefined ? '' : `, untrained ${number(base, 3)}`
  canvas.setAttribute('aria-label', `${label} by epoch${against}`)
  requestAnimationFrame(() => paintCurve(canvas, values, model.css(colour), base))
  const last = values.length ? number(values.at(-1), 3) : '–'
  const name = element('span', {textContent: label})
  const value = element('b', {textContent: last})
  const note = base === undefined ? null : textSpan(`untrained ${number(base, 3)} - -`)
  return element('div', {className: 'measure'}, name, element('p', {}, value, note), canvas)
}
function paintCurve(canvas, values, colour, base) {
  const pen = cleanPen(canvas)
  const all = base === undefined ? values : [...values, base]
  const low = Math.min(...all)
  const high = Math.max(...all)
  const width = canvas.clientWidth - 8
  const height = canvas.clientHeight - 12
  const y = value => 6 + height * (1 - (value - low) / (high - low || 1))
  const points = values.map((value, i) => [
    4 + (values.length < 2 ? 0 : (width * i) / (values.length - 1)),
    y(value),
  ])
  pen.strokeStyle = colour
  pen.fillStyle = colour
  if (base !== undefined) {
    pen.setLineDash([4, 4])
    strokeLine(pen, [
      [4, y(base)],
      [4 + width, y(base)],
    ])
    pen.setLineDash([])
  }
  pen.lineWidth = 2
  pen.lineJoin = 'round'
  strokeLine(pen, points)
  if (!points.length) return
  discPath(pen, ...points.at(-1), 3)
  pen.fill()
}
