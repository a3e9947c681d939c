// A training that runs: how far it is, its curves and verdict, buttons that stop it and go on.
// All is made once and then filled, so that a button under a finger stays the same button.

const untrained = 'the same encoder untrained'
function trainingPanel(model) {
  const status = textSpan('', 'status')
  const said = element('p', {className: 'said'})
  const done = element('i')
  const stop = asking('stop', 'stop', 'save the state and end')
  const go = asking('go', 'go on', 'begin, or go on from the state that was saved')
  const loss = measurePanel(model, 'loss', '--left')
  const distance = measurePanel(model, 'mean distance', '--accent')
  const certainty = measurePanel(model, 'certainty of neighbours', '--good')
  const right = measurePanel(model, 'neighbours right', '--ink')
  const curves = [loss, distance, certainty, right].map(panel => panel.element)
  const mirror = element('p', {className: 'mirror'})
  const label = 'progress of the training'
  const progress = {className: 'progress', role: 'progressbar', 'aria-label': label}
  const bar = element('div', progress, done)
  const section = element(
    'section',
    {className: 'training', 'aria-label': 'training', hidden: true},
    element('div', {className: 'head'}, heading('Training'), status, stop, go),
    bar,
    said,
    element('div', {className: 'curves'}, ...curves),
    mirror,
  )

  function asking(what, text, title) {
    const complain = error => {
      said.textContent = error.message
    }
    return button(text, title, () => model.source.ask(what, {}).catch(complain))
  }
  function draw() {
    const {standing} = model
    section.hidden = !standing?.status
    if (section.hidden) return
    section.className = `training ${standing.status}`
    status.textContent = standing.status
    stop.disabled = standing.status !== 'running'
    go.disabled = !['stopped', 'failed', 'ready'].includes(standing.status)
    bar.setAttribute('aria-valuenow', Math.round(100 * standing.progress))
    done.style.width = `${100 * standing.progress}%`
    said.setAttribute('role', standing.status === 'failed' ? 'alert' : 'status')
    said.textContent = standing.message
    mirror.textContent = standing.verdict
    drawCurves(standing)
  }
  function drawCurves({rows, looks, free}) {
    const column = (table, name) => table.map(row => row[name]).filter(Number.isFinite)
    const shares = column(looks, 'right')
    right.element.hidden = !shares.length
    loss.draw(column(rows, 'loss'))
    distance.draw(column(looks, 'distance'))
    certainty.draw(column(looks, 'certainty'))
    right.draw(shares, free[untrained])
  }
  return {element: section, draw}
}
// A curve with its last value; `base`, if there is one, is a dashed line to compare it with
function measurePanel(model, name, colour) {
  const canvas = element('canvas', {className: 'curve', role: 'img'})
  const value = element('b')
  const note = textSpan('')
  const made = element(
    'div',
    {className: 'measure'},
    textSpan(name),
    element('p', {}, value, note),
    canvas,
  )
  function draw(values, base) {
    const against = base === undefined ? '' : `untrained ${number(base, 3)}`
    value.textContent = values.length ? number(values.at(-1), 3) : '–'
    note.textContent = against && `${against} - -`
    note.hidden = !against
    canvas.setAttribute('aria-label', [`${name} by epoch`, against].filter(Boolean).join(', '))
    paintCurve(canvas, values, model.css(colour), base)
  }
  return {element: made, draw}
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
  pen.lineWidth = 1
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
