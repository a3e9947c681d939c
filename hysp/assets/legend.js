// The legend, which filters: a button for each value, or a ramp of colours
function legendPanel(model, act) {
  const section = element('section', {className: 'legend'})
  function draw() {
    if (!model.view) return
    const {now, kind} = model
    const change = (label, how) =>
      plainButton(label, () => {
        how()
        act.refilter()
        draw()
      })
    const everything = () => {
      model.hidden[now.colour] = new Set()
    }
    const nothing = () => {
      model.hidden[now.colour] = new Set(kind.names.keys())
    }
    const both = kind ? [change('all', everything), change('none', nothing)] : []
    const head = element('div', {className: 'head'}, heading(wordFor(now.colour)), ...both)
    const rows = kind ? kindRows(model, act) : rampRows(model)
    const others = model.filters.map(([name]) => name).filter(name => name !== now.colour)
    const filters = others.map(name =>
      change(`${wordFor(name)} filtered ✕`, () => delete model.hidden[name]),
    )
    section.replaceChildren(head, rows, ...filters, ...hollowKey(model))
  }
  return {element: section, draw}
}
function hollowKey(model) {
  if (!model.view.predicted) return []
  const sign = glyph(model.css('--soft'), 'circle', true)
  const text = textSpan('hollow: not recognised')
  return [element('p', {className: 'key'}, sign, text)]
}
const shortNumber = value => (Number.isInteger(value) ? value.toLocaleString('en') : number(value))
function rampRows(model) {
  const [low, high] = span(model.quantity())
  const unit = model.now.colour === 'frames' ? ' frames' : ''
  const colours = rampColours.map(colour => rgb(model.ink(colour)))
  const style = `background:linear-gradient(90deg,${colours.join(',')})`
  const ends = [textSpan(shortNumber(low)), textSpan(`${shortNumber(high)}${unit}`)]
  const ramp = element('div', {className: 'ramp', style})
  return element('div', {className: 'rows'}, ramp, element('div', {className: 'ends'}, ...ends))
}
function kindRows(model, act) {
  const {kind, hidden, now} = model
  hidden[now.colour] ??= new Set()
  const off = hidden[now.colour]
  const counts = kind.names.map(() => 0)
  for (const value of kind.values) counts[value]++
  const rows = element('div', {className: 'rows'})
  function toggle(value, alone) {
    if (alone) {
      for (const other of kind.names.keys()) off.add(other)
      off.delete(value)
    } else if (!off.delete(value)) off.add(value)
    now.bright = -1
    act.refilter()
    for (const row of rows.children) {
      row.setAttribute('aria-pressed', !off.has(Number(row.dataset.value)))
    }
  }
  function brighten(value) {
    now.bright = off.has(value) ? -1 : value
    act.recolour()
  }
  for (const [value, name] of kind.names.entries()) {
    if (!counts[value]) continue
    const [colour, shape] = model.look(value)
    const given = {
      type: 'button',
      title: `${name}: click shows or hides, double click shows it alone`,
      'aria-pressed': !off.has(value),
      onclick: event => toggle(value, event.detail > 1),
      onpointerenter: () => brighten(value),
      onpointerleave: () => brighten(-1),
    }
    const label = textSpan(name, 'label')
    const count = textSpan(counts[value].toLocaleString('en'), 'count')
    const row = element('button', given, glyph(rgb(colour), shape), label, count)
    row.dataset.value = value
    rows.append(row)
  }
  return rows
}

// What classes are taken for, as a filter
function confusionPanel(model, act) {
  const section = element('section', {className: 'confusions', hidden: true})
  const same = ([label, taken]) => model.confusion?.[0] === label && model.confusion[1] === taken
  function draw() {
    const pairs = model.view?.predicted ? model.confusions() : []
    section.hidden = !pairs.length && !model.confusion
    const rows = element('div', {className: 'rows'}, ...pairs.map(row))
    section.replaceChildren(heading('Taken for'), rows)
  }
  function row([label, taken, count]) {
    const {class_names: names} = model.run
    const text = `${names[label]} → ${names[taken]}`
    const pair = [label, taken]
    const title = `${names[label]} taken for ${names[taken]}: click shows these alone, or all again`
    const onclick = () => {
      model.confusion = same(pair) ? null : pair
      act.refilter()
      draw()
    }
    const given = {type: 'button', title, onclick, 'aria-pressed': same(pair)}
    const [colour, shape] = model.style(label)
    const sign = glyph(rgb(colour), shape, true)
    return element('button', given, sign, textSpan(text, 'label'), textSpan(count, 'count'))
  }
  return {element: section, draw}
}
