// Above the disk: which view of which run, colour, search, what dragging does, and what is seldom
// wanted. Each panel is a function of the model that all share and of what it may ask for.

function barPanel(model, act) {
  const colours = chooser('colour', value => act.colourBy(value))
  const search = searchPanel(model, act)
  const modes = modeChooser(model, act)
  const menu = menuPanel(model, act)
  const centre = plainButton('centre', act.centreChosen)
  centre.title = 'bring the chosen clip to the middle'
  const reset = plainButton('reset', act.restore)
  reset.title = 'the origin back to the middle'
  reset.classList.add('reset')

  function fill() {
    colours.fill(
      model.colourings().map(name => [name, wordFor(name)]),
      model.now.colour,
    )
    search.show()
    menu.show()
  }
  const bar = element(
    'div',
    {className: 'bar'},
    colours.label,
    search.element,
    element('span', {className: 'gap'}),
    modes.element,
    centre,
    reset,
    menu.element,
  )
  return {element: bar, fill, showMode: modes.show, showFound: search.show}
}

// Run, epoch and projection of a disk
function wherePanel(model, act) {
  const runs = chooser('run', value => act.openRun(Number(value)))
  const projections = chooser('projection', value => {
    model.where.projection = value
    act.openView()
  })
  const epochs = epochChooser(model, act)
  const made = element('div', {className: 'where'}, runs.label, epochs.element, projections.label)

  function fill() {
    const {run, offered, where} = model
    const choices = offered.runs.map((offer, value) => [value, offer.name])
    const offers = choices.filter(([value]) => act.offers(value))
    runs.fill(offers, where.run)
    runs.label.hidden = offers.length < 2
    projections.fill(
      offered.projections.map(name => [name, spaced(name)]),
      where.projection,
    )
    projections.label.hidden = offered.projections.length < 2
    epochs.fill(run.epochs.length)
    made.hidden = offers.length < 2 && offered.projections.length < 2 && run.epochs.length < 2
  }
  return {element: made, fill, showEpoch: epochs.show}
}
function chooser(name, onchoice) {
  const select = element('select', {onchange: () => onchoice(select.value)})
  const label = element('label', {}, textSpan(name), select)
  function fill(choices, chosen) {
    const options = choices.map(([value, textContent]) => element('option', {value, textContent}))
    select.replaceChildren(...options)
    select.value = chosen
  }
  return {label, fill}
}
function modeChooser(model, act) {
  const titles = {
    move: 'dragging moves the disk by an isometry (m)',
    lasso: 'dragging draws a lasso; shift adds, alt subtracts (l)',
    rectangle: 'dragging draws a rectangle; shift adds, alt subtracts (r)',
  }
  const buttons = Object.entries(titles).map(([mode, title]) =>
    button(mode, title, () => act.dragTo(mode)),
  )
  function show() {
    for (const each of buttons) {
      each.setAttribute('aria-pressed', each.textContent === model.now.drag)
    }
  }
  const group = {className: 'pair', role: 'group', 'aria-label': 'what dragging does'}
  show()
  return {element: element('div', group, ...buttons), show}
}
function epochChooser(model, act) {
  const slider = element('input', {type: 'range', min: 0, step: 1, 'aria-label': 'epoch'})
  slider.addEventListener('input', () => act.goto(Number(slider.value)))
  const name = element('output')
  const title = 'play through the epochs'
  const walk = element('button', {type: 'button', className: 'round', textContent: '▶', title})
  walk.setAttribute('aria-label', title)
  walk.addEventListener('click', walkEpochs)
  const label = element('div', {className: 'epochs'}, textSpan('epoch'), walk, slider, name)
  let walking = null // whoever walks; another click takes it away

  async function walkEpochs() {
    const mine = walking ? null : {}
    walking = mine
    walk.textContent = mine ? '❚❚' : '▶'
    const {where} = model
    let k = where.epoch === model.run.epochs.length - 1 ? 0 : where.epoch + 1
    for (; mine && walking === mine && k < model.run.epochs.length; k++) {
      await act.goto(k)
      await new Promise(done => setTimeout(done, 350))
    }
    if (walking !== mine) return
    walking = null
    walk.textContent = '▶'
  }
  function fill(count) {
    slider.max = count - 1
    label.hidden = count < 2
  }
  function show() {
    const epoch = model.run.epochs[model.where.epoch]
    slider.value = model.where.epoch
    slider.setAttribute('aria-valuetext', `epoch ${epoch}`)
    name.textContent = epoch
  }
  return {element: label, fill, show}
}

// Clips that a text names stand out; Enter selects them
function searchPanel(model, act) {
  const hint = 'name, class or person 3'
  const label = 'highlight clips by name, class or person; Enter selects them'
  const input = element('input', {type: 'search', placeholder: hint, title: label})
  input.setAttribute('aria-label', label)
  const tally = element('output', {className: 'found', 'aria-live': 'polite'})
  input.addEventListener('input', () => act.search(input.value))
  input.addEventListener('keydown', event => {
    if (event.key === 'Enter' && model.found) act.select(i => model.found[i])
    if (event.key === 'Escape') act.search('')
  })
  function show() {
    if (input.value !== model.now.search) input.value = model.now.search
    tally.textContent = model.found ? `${model.foundClips.length.toLocaleString('en')} found` : ''
  }
  return {element: element('div', {className: 'search'}, input, tally), show}
}

// What is seldom wanted folds away
function menuPanel(model, act) {
  const names = toggle('names on the disk', on => {
    model.now.names = on
    act.writeNames()
  })
  const second = toggle('two disks, one selection', on => {
    menu.open = false
    act.showSecond(on)
  })
  const png = button('PNG', 'the disk as a picture', act.savePng)
  const vectors = button('SVG', 'the disk as lines and glyphs', act.saveSvg)
  const files = element('div', {className: 'buttons'}, png, vectors)
  const content = element('div', {className: 'sheet'}, second.label, names.label, files)
  const summary = element('summary', {title: 'more', textContent: '⋯'})
  summary.setAttribute('aria-label', 'more')
  const menu = element('details', {className: 'menu'}, summary, content)
  menu.addEventListener('focusout', event => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false
  })
  menu.addEventListener('keydown', event => {
    if (event.key === 'Escape') menu.open = false
  })
  function show() {
    names.box.checked = model.now.names
    second.box.checked = act.hasSecond()
  }
  return {element: menu, show}
}
function toggle(name, onchange) {
  const box = element('input', {type: 'checkbox', onchange: () => onchange(box.checked)})
  return {box, label: element('label', {}, box, textSpan(name))}
}
