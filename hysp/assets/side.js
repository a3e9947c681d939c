// A disk with what chooses its view, and the line that says how far that can be trusted

// `act.openRun` opens another run here, `act.offers` says which may be, and `act.viewed` hears of a
// new view and of the one before it
function sidePanel(model, act) {
  const disk = diskPanel(model, act)
  const fidelity = fidelityLine()
  const chooseView = wherePanel(model, {...act, goto, openView})
  const made = element(
    'div',
    {className: 'side'},
    chooseView.element,
    disk.element,
    fidelity.element,
  )
  let ticket = 0 // of the newest view that was asked for

  function open() {
    disk.open()
    chooseView.fill()
    return goto(model.where.epoch)
  }
  function goto(position) {
    model.where.epoch = position
    model.where.follow = position === model.run.epochs.length - 1
    chooseView.showEpoch()
    return openView()
  }
  async function openView() {
    ticket++
    const mine = ticket
    const {run, projection} = model.where
    const epoch = model.run.epochs[model.where.epoch]
    const slow = setTimeout(() => {
      if (mine !== ticket) return
      disk.wait.textContent = `${spaced(projection)}, epoch ${epoch} …`
      disk.wait.hidden = false
    }, 150)
    try {
      const view = await fetchView(model.source, {run, epoch, projection})
      if (mine === ticket) await showView(view)
    } catch (error) {
      if (mine === ticket) fidelity.say(error.message)
    } finally {
      clearTimeout(slow)
      if (mine === ticket) disk.wait.hidden = true
    }
  }
  async function showView(view) {
    const before = model.view
    model.openView(view)
    const paper = model.keepsDistance ? '' : ' · dashed rings: distance on paper alone'
    fidelity.say((view.words || view.fidelity) + paper, view.words && view.fidelity)
    disk.recolour()
    act.viewed(view, before)
    await disk.show(before?.u, view.u)
  }
  // The run has grown: the same epoch, or the newest where that was shown
  function grow(run) {
    const epoch = model.run.epochs[model.where.epoch]
    model.run = run
    chooseView.fill()
    const last = run.epochs.length - 1
    const at = run.epochs.findLastIndex(other => other <= epoch)
    if (model.where.follow && run.epochs[last] !== epoch) return goto(last)
    if (run.epochs[at] !== epoch) return goto(Math.max(at, 0)) // it was thinned out
    model.where.epoch = at
    chooseView.showEpoch()
  }
  if (!disk.hasPoints) {
    fidelity.say('This browser has no WebGL 2, which draws the points.')
  }
  function close() {
    ticket++
    disk.close()
    made.remove()
  }
  return {element: made, model, disk, open, goto, grow, close, fresh: () => ticket}
}

// How far a drawing can be trusted: in words, and the figures behind them in a tooltip
function fidelityLine() {
  const sentence = textSpan('')
  const figures = element('span', {className: 'figures', role: 'tooltip'})
  const told = element('span', {className: 'told'}, sentence, figures)
  function say(text, detail = '') {
    sentence.textContent = text
    figures.textContent = detail
    told.tabIndex = detail ? 0 : -1
    told.classList.toggle('more', Boolean(detail))
  }
  return {element: element('p', {className: 'fidelity', role: 'status'}, told), say}
}

async function fetchView(source, asked) {
  const got = await source.ask('view', asked)
  return {
    ...asked,
    u: new Float32Array(await unpacked(got.points)), // tangents of the disk
    distance: new Float32Array(await unpacked(got.distance)),
    predicted: got.predicted && new Int32Array(await unpacked(got.predicted)),
    fidelity: got.fidelity,
    words: got.words,
  }
}
