// The panels about the disk, each a function of the model they share and of what they may ask for

const plainButton = (textContent, onclick) =>
  element('button', {type: 'button', className: 'plain', textContent, onclick})
const heading = textContent => element('h3', {textContent})
const textSpan = (textContent, className = '') => element('span', {className, textContent})

// Above the disk: run, epoch, projection, colour, and what dragging does
function barPanel(model, act) {
  const runs = chooser('run', value => act.openRun(Number(value)))
  const projections = chooser('projection', value => {
    model.now.projection = value
    act.openView()
  })
  const colours = chooser('colour', value => {
    model.now.colour = value
    model.now.bright = -1
    act.recolour()
    act.drawLegend()
  })
  const epochs = epochChooser(model, act)
  const modes = modeChooser(model, act)
  const centre = plainButton('centre', act.centreChosen)
  centre.title = 'bring the chosen clip to the middle'
  const reset = plainButton('reset', act.restore)
  reset.title = 'the origin back to the middle'
  reset.classList.add('reset')

  function fill() {
    const {run, offered, now} = model
    runs.fill(
      offered.runs.map((offer, value) => [value, offer.name]),
      now.run,
    )
    runs.label.hidden = offered.runs.length < 2
    projections.fill(
      offered.projections.map(name => [name, spaced(name)]),
      now.projection,
    )
    projections.label.hidden = offered.projections.length < 2
    epochs.fill(run.epochs.length)
  }
  function fillColours() {
    colours.fill(
      model.colourings().map(name => [name, wordFor(name)]),
      model.now.colour,
    )
  }
  const bar = element(
    'div',
    {className: 'bar'},
    runs.label,
    epochs.element,
    projections.label,
    colours.label,
    element('span', {className: 'gap'}),
    modes,
    centre,
    reset,
  )
  return {element: bar, fill, fillColours, showEpoch: epochs.show}
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
    move: 'dragging moves the disk by an isometry',
    select: 'dragging draws a lasso',
  }
  const buttons = Object.entries(titles).map(([mode, title]) => {
    const onclick = () => {
      model.now.drag = mode
      for (const other of buttons) other.setAttribute('aria-pressed', other === button)
      act.showMode()
    }
    const button = element('button', {type: 'button', textContent: mode, title, onclick})
    button.setAttribute('aria-pressed', mode === model.now.drag)
    return button
  })
  const group = {className: 'pair', role: 'group', 'aria-label': 'what dragging does'}
  return element('div', group, ...buttons)
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
    const {now} = model
    let k = now.epoch === model.run.epochs.length - 1 ? 0 : now.epoch + 1
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
    const epoch = model.run.epochs[model.now.epoch]
    slider.value = model.now.epoch
    slider.setAttribute('aria-valuetext', `epoch ${epoch}`)
    name.textContent = epoch
  }
  return {element: label, fill, show}
}

// The legend, which filters: a button for each value, or a ramp of colours
function legendPanel(model, act) {
  const section = element('section', {className: 'legend'})
  function draw() {
    if (!model.view) return
    const {now, kind, hidden} = model
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
    const title = now.colour === 'radius' ? 'radius, as distance' : wordFor(now.colour)
    const both = kind ? [change('all', everything), change('none', nothing)] : []
    const head = element('div', {className: 'head'}, heading(title), ...both)
    const rows = kind ? kindRows(model, act) : rampRows(model)
    const others = Object.keys(hidden).filter(name => name !== now.colour && model.kinds[name])
    const filters = others
      .filter(name => hidden[name].size)
      .map(name => change(`${wordFor(name)} filtered ✕`, () => delete model.hidden[name]))
    section.replaceChildren(head, rows, ...filters, ...hollowKey(model))
  }
  return {element: section, draw}
}
function hollowKey(model) {
  if (!model.view.predicted) return []
  const sign = glyph(model.css('--soft'), 'circle', true)
  const text = textSpan('hollow: not recognised by the linear probe')
  return [element('p', {className: 'key'}, sign, text)]
}
function rampRows(model) {
  const [low, high] = span(model.quantity())
  const frames = model.now.colour === 'frames'
  const colours = rampColours.map(colour => rgb(model.ink(colour)))
  const style = `background:linear-gradient(90deg,${colours.join(',')})`
  const lowest = textSpan(frames ? low : number(low))
  const highest = textSpan(frames ? `${high} frames` : number(high))
  const ends = element('div', {className: 'ends'}, lowest, highest)
  return element('div', {className: 'rows'}, element('div', {className: 'ramp', style}), ends)
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
    if (bins && canvas.clientWidth) paintHistogram(canvas, model, bins, brush)
  }
  function pointed(event) {
    const box = canvas.getBoundingClientRect()
    return bins.top * Math.max(0, Math.min(1, (event.clientX - box.left) / box.width))
  }
  canvas.addEventListener('pointerdown', event => {
    if (!bins) return
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
  return {element: element('section', {}, title, canvas), canvas, count, draw}
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

// What is selected: counted, copied, downloaded, written as a dataset folder
function selectionPanel(model, act) {
  const tally = element('div', {className: 'tally', 'aria-live': 'polite'})
  const message = element('p', {className: 'said', role: 'status'})
  const button = (textContent, title, onclick) =>
    element('button', {type: 'button', textContent, title, onclick})

  function draw() {
    const selection = model.selection
    message.textContent = ''
    if (selection.length) {
      const folder = model.offered.kernel ? [subsetRow(selection)] : []
      tally.replaceChildren(summary(model, selection), actions(selection), ...folder, message)
      return
    }
    const positions = [...model.run.names.keys()]
    const shown = positions.filter(i => model.visible(i)).length.toLocaleString('en')
    const advice =
      ` of ${model.count.toLocaleString('en')} clips shown. ` +
      'Draw a lasso on the disk, or drag over the histogram, to select some.'
    tally.replaceChildren(element('p', {}, element('b', {textContent: shown}), advice))
  }
  function actions(selection) {
    const names = selection.map(i => model.run.names[i]).join('\n')
    async function copy() {
      try {
        await navigator.clipboard.writeText(names)
        message.textContent = `${selection.length} names copied`
      } catch {
        download('names.txt', `${names}\n`)
      }
    }
    return element(
      'div',
      {className: 'buttons'},
      button('names', 'copy the names', copy),
      button('CSV', 'download a table of the selected clips', () =>
        download('selected.csv', csvTable(model, selection)),
      ),
      button('clear', 'select nothing', () => act.select(null)),
    )
  }
  function subsetRow(selection) {
    const label = 'folder for the subset'
    const folder = element('input', {type: 'text', placeholder: label, 'aria-label': label})
    async function write() {
      const asked = {run: model.now.run, index: selection, path: folder.value}
      message.textContent = 'writing …'
      try {
        message.textContent = (await model.source.ask('subset', asked)).message
      } catch (error) {
        message.textContent = error.message
      }
    }
    const title = 'write a dataset folder that shows the selected clips alone'
    return element('div', {className: 'buttons'}, folder, button('subset', title, write))
  }
  return {element: element('section', {className: 'chosen'}, tally), draw}
}
function summary(model, selection) {
  const {run, view} = model
  const counts = new Map()
  for (const i of selection) counts.set(run.labels[i], (counts.get(run.labels[i]) ?? 0) + 1)
  const frequent = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 4)
  const classes = frequent.map(([label, count]) => `${run.class_names[label]} ${count}`)
  if (counts.size > 4) classes.push('…')
  const share = selection.filter(i => model.right(i)).length / selection.length
  const right = view.predicted ? `, ${percent(share)} right` : ''
  const middle = number(median(selection.map(i => view.distance[i])))
  const text = ` selected, median distance ${middle}${right}: ${classes.join(', ')}`
  const count = element('b', {textContent: selection.length.toLocaleString('en')})
  return element('p', {}, count, text)
}
function csvTable(model, selection) {
  const {run, view} = model
  const columns = Object.keys(run.columns)
  const head = ['name', 'class', 'distance', 'radius', ...columns]
  const rows = selection.map(i => {
    const known = columns.map(name => run.columns[name][i])
    const distance = view.distance[i]
    return [run.names[i], model.className(i), distance, radiusAt(distance, run.c), ...known]
  })
  if (view.predicted) {
    head.splice(2, 0, 'predicted')
    for (const [k, i] of selection.entries()) {
      rows[k].splice(2, 0, run.class_names[view.predicted[i]])
    }
  }
  return [head, ...rows].map(row => `${row.map(quoted).join(',')}\n`).join('')
}
const quoted = value => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value)
function download(name, text) {
  const href = URL.createObjectURL(new Blob([text], {type: 'text/csv'}))
  element('a', {href, download: name}).click()
  setTimeout(() => URL.revokeObjectURL(href), 1000)
}

// What is known of a clip
function factSheet(model, i) {
  const {run, view} = model
  const numbers = [
    ['distance', number(view.distance[i])],
    ['radius', number(radiusAt(view.distance[i], run.c), 4)],
  ]
  for (const [name, values] of Object.entries(run.columns)) {
    const value = name === 'frames' ? `${values[i]} frames` : values[i]
    numbers.push([wordFor(name), values[i] < 0 ? 'not known' : value])
  }
  const sheet = [
    element('div', {className: 'class'}, model.glyph(i), textSpan(model.className(i))),
    element('div', {className: 'name', textContent: run.names[i]}),
    element('div', {className: 'numbers'}, ...numbers.flat().map(text => textSpan(text))),
  ]
  if (!view.predicted) return sheet
  const taken = `✗ taken for ${run.class_names[view.predicted[i]]}`
  const className = `verdict ${model.right(i) ? 'good' : 'bad'}`
  const textContent = model.right(i) ? '✓ recognised' : taken
  return [...sheet, element('div', {className, textContent})]
}

// The same beside the pointer
function tipPanel(model) {
  const tip = element('div', {className: 'tip', role: 'tooltip', hidden: true})
  function hide() {
    tip.hidden = true
  }
  function show(i, event) {
    tip.hidden = i < 0
    if (i < 0) return
    tip.replaceChildren(...factSheet(model, i))
    const {offsetWidth: width, offsetHeight: height} = tip
    const {clientX: x, clientY: y} = event
    const fits = x + 18 + width <= innerWidth
    const left = Math.max(4, fits ? x + 18 : x - width - 14)
    const top = Math.max(4, Math.min(y + 14, innerHeight - height - 6))
    tip.style.left = `${left}px`
    tip.style.top = `${top}px`
  }
  return {element: tip, hide, show}
}

// The chosen clip: its facts, its skeleton that moves, its neighbours
function clipPanel(model, act) {
  const facts = element('div', {className: 'facts', 'aria-live': 'polite'})
  const absent = element('p', {className: 'none absent', role: 'status'})
  const figure = element('canvas', {className: 'figure', role: 'img'})
  figure.setAttribute('aria-label', 'moving skeleton of the chosen clip')
  const list = element('ol', {className: 'near'})
  const controls = playerControls()
  let player = null

  function play(playing) {
    if (!player) return
    player.play(playing)
    controls.showPlaying(playing)
  }
  controls.playing.addEventListener('click', () => play(!player?.state.playing))
  controls.speed.addEventListener('change', () => player?.speed(Number(controls.speed.value)))
  controls.seek.addEventListener('input', () => {
    play(false)
    player?.seek(Number(controls.seek.value))
  })

  function showFacts() {
    const {chosen} = model.now
    const shown = chosen >= 0 && model.view
    const advice = {className: 'none', textContent: 'Click a point to see its clip.'}
    facts.replaceChildren(...(shown ? factSheet(model, chosen) : [element('div', advice)]))
    if (!shown) list.replaceChildren()
  }
  // Fetch the skeleton of the chosen clip, and play it
  async function load() {
    const {chosen: i, run} = model.now
    const slow = setTimeout(() => {
      absent.textContent = 'fetching the skeleton …'
    }, 400)
    const got = await model.source.ask('clip', {run, i}).catch(error => ({error: error.message}))
    clearTimeout(slow)
    if (model.now.chosen !== i || model.now.run !== run) return
    const {pack} = got
    const where = model.offered.kernel ? 'at hand: the scene has no dataset' : 'on this page'
    model.box.dataset.clip = pack ? model.run.names[i] : ''
    absent.textContent = pack ? '' : (got.error ?? `No skeleton of this clip is ${where}.`)
    figure.hidden = !pack
    controls.element.hidden = !pack
    if (!pack) return
    pack.bytes ??= await unpacked(pack.data)
    if (!player) {
      player = skeletonPlayer(figure, pack, controls.showTime)
      play(player.state.playing)
    }
    player.load(pack)
    player.show(got.at)
  }
  function showNear() {
    const rows = model.near.map(({i, d}) => nearRow(model, act, i, d))
    list.replaceChildren(...rows)
  }
  const clip = element('section', {className: 'player'}, facts, absent, figure, controls.element)
  const title = heading('Nearest clips in the ball')
  const nearest = element('section', {className: 'nearest'}, title, list)
  return {
    elements: [clip, nearest],
    showFacts,
    showNear,
    load,
    clear() {
      absent.textContent = ''
    },
    togglePlay: () => play(!player?.state.playing),
    dress: () => player?.look(),
    get player() {
      return player
    },
    close: () => player?.close(),
  }
}
function nearRow(model, act, i, distance) {
  const given = {
    type: 'button',
    title: model.run.names[i],
    onclick: () => act.pick(i),
    onpointerenter: () => act.hover(i),
    onpointerleave: () => act.hover(-1),
  }
  const label = textSpan(model.className(i), 'label')
  const name = textSpan(model.run.names[i], 'name')
  const far = textSpan(number(distance), 'count')
  return element('li', {}, element('button', given, model.glyph(i), label, name, far))
}
function playerControls() {
  const button = {type: 'button', className: 'round play', textContent: '❚❚'}
  const playing = element('button', {...button, 'aria-label': 'pause'})
  const range = {type: 'range', min: 0, max: 1, step: 'any', value: 0}
  const seek = element('input', {...range, 'aria-label': 'moment of the clip'})
  const speeds = {0.25: '¼×', 0.5: '½×', 1: '1×', 2: '2×'}
  const options = Object.entries(speeds).map(([value, textContent]) =>
    element('option', {value, textContent, selected: value === '1'}),
  )
  const speed = element('select', {'aria-label': 'speed'}, ...options)
  return {
    element: element('div', {className: 'controls'}, playing, seek, speed),
    playing,
    seek,
    speed,
    showPlaying(on) {
      playing.textContent = on ? '❚❚' : '▶'
      playing.setAttribute('aria-label', on ? 'pause' : 'play')
    },
    showTime(share) {
      seek.value = share
    },
  }
}

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
