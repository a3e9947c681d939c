// The explorer: a Poincaré disk one can move, with all that belongs to its points; for JupyterLab
// and for the page without a kernel. `source.ask(what, args)` promises views, neighbours and clips;
// `source.tell(facts)`, where there is one, hears what is chosen and selected; and
// `source.plays(run, i)`, where not all clips have a skeleton, says which have.

const words = {subject: 'person', frames: 'length', correct: 'right or wrong'}
const wordFor = name => words[name] ?? name
const quantities = ['radius', 'frames'] // what has a ramp of colours and no kinds
const spaced = projection => projection.replace('_', ' ')

function kindName(column, value) {
  if (value < 0) return 'not known'
  if (column === 'bodies') return `${value} ${value === 1 ? 'body' : 'bodies'}`
  return `${wordFor(column)} ${value}`
}

// What clips can be told apart by: for each, a value of each clip and the names of the values
function kindsOf(run) {
  const kinds = {class: {values: run.labels, names: run.class_names}}
  for (const [column, values] of Object.entries(run.columns)) {
    const known = ascending(new Set(values))
    if (quantities.includes(column) || known.length < 2) continue
    const names = known.map(value => kindName(column, value))
    kinds[column] = {values: values.map(value => known.indexOf(value)), names}
  }
  return kinds
}

// From the first percentile to the last
function span(values) {
  const sorted = ascending(values.filter(Number.isFinite))
  const low = quantile(sorted, 0.01) || 0
  const high = quantile(sorted, 0.99) || 0
  return [low, high > low ? high : low + 1e-6]
}

// What all panels look at: `now` is what the user has set, `run` and `view` what the source gave
class Model {
  constructor(offered, source, box) {
    this.offered = offered
    this.source = source
    this.box = box
    const projection = offered.projections[0]
    this.now = {run: 0, epoch: 0, projection, colour: 'class', drag: 'move', follow: true}
    this.dark = false
    this.standing = null // how a training stands
    this.openRun(0)
  }

  openRun(position) {
    this.run = this.offered.runs[position]
    Object.assign(this.now, {run: position, chosen: -1, hover: -1, bright: -1})
    this.view = null
    this.kinds = kindsOf(this.run)
    this.hidden = {} // kind → values that are not shown
    this.selected = null // one a clip, or null
    this.near = [] // neighbours of the chosen clip
    if (!this.colourings().includes(this.now.colour)) this.now.colour = 'class'
  }

  openView(view) {
    this.view = view
    delete this.kinds.correct
    if (!view.predicted) return
    const values = Array.from(view.predicted, (_, i) => (this.right(i) ? 0 : 1))
    const colours = ['#1c8e68', '#cd560a']
    this.kinds.correct = {values, names: ['right', 'wrong'], colours}
  }

  get count() {
    return this.run.names.length
  }

  get kind() {
    return this.kinds[this.now.colour]
  }

  get selection() {
    return this.selected ? [...this.selected.keys()].filter(i => this.selected[i]) : []
  }

  colourings() {
    const columns = Object.keys(this.run.columns)
    const coloured = columns.filter(name => this.kinds[name] || name === 'frames')
    return ['class', 'radius', ...(this.run.predicts ? ['correct'] : []), ...coloured]
  }

  className(i) {
    return this.run.class_names[this.run.labels[i]]
  }

  right(i) {
    return !this.view.predicted || this.view.predicted[i] === this.run.labels[i]
  }

  visible(i) {
    for (const name in this.hidden) {
      if (this.kinds[name] && this.hidden[name].has(this.kinds[name].values[i])) return false
    }
    return true
  }

  // What a ramp of colours shows
  quantity() {
    return Array.from(this.now.colour === 'frames' ? this.run.columns.frames : this.view.distance)
  }

  css(name) {
    return getComputedStyle(this.box).getPropertyValue(name).trim()
  }

  ink(colour) {
    return this.dark ? lighter(colour) : colour
  }

  // Colour and shape of a value of the kind by which clips are coloured
  look(value) {
    if (this.kind.colours) return [this.ink(hex(this.kind.colours[value])), 'circle']
    return this.style(value)
  }

  style(value) {
    const [colour, shape] = this.run.styles[value % this.run.styles.length]
    return [this.ink(hex(colour)), shape]
  }

  // The glyph of a clip: that of its class, hollow where it is not recognised
  glyph(i) {
    const [colour, shape] = this.style(this.run.labels[i])
    return glyph(rgb(colour), shape, !this.right(i))
  }
}

const hint =
  'click: play and hold · double click: to the middle · drag: move the disk · ' +
  'shift and drag: select'

// All of it: panels around one model, and what they ask of each other
function explorer(root, offered, source) {
  const box = element('div', {className: 'hysp'})
  const model = new Model(offered, source, box)
  const {now} = model
  const act = {
    ...{openRun, openView, goto, pick, select, recolour, refilter, hover},
    drawLegend: () => legend.draw(),
    restore: () => disk.restore(),
    centreChosen: () => disk.centreChosen(),
    showMode: () => disk.element.classList.toggle('select', now.drag === 'select'),
    togglePlay: () => clip.togglePlay(),
    showTip: (i, event) => tip.show(i, event),
    hideTip: () => tip.hide(),
  }
  const bar = barPanel(model, act)
  const training = trainingPanel(model)
  const legend = legendPanel(model, act)
  const histogram = histogramPanel(model, act)
  const selection = selectionPanel(model, act)
  const disk = diskPanel(model, act)
  const clip = clipPanel(model, act)
  const tip = tipPanel(model)
  const fidelity = element('p', {className: 'fidelity', role: 'status'})
  const advice = [hint, offered.note].filter(Boolean).join(' · ')
  let ticket = 0 // of the newest view that was asked for

  // Runs, epochs, projections
  function openRun(position) {
    model.openRun(position)
    disk.open()
    bar.fill()
    bar.fillColours()
    clip.showFacts()
    return goto(model.run.epochs.length - 1)
  }
  function goto(position) {
    now.epoch = position
    now.follow = position === model.run.epochs.length - 1
    bar.showEpoch()
    return openView()
  }
  async function openView() {
    ticket++
    const mine = ticket
    const {run, projection} = now
    const epoch = model.run.epochs[now.epoch]
    const slow = setTimeout(() => {
      if (mine !== ticket) return
      disk.wait.textContent = `${spaced(projection)}, epoch ${epoch} …`
      disk.wait.hidden = false
    }, 150)
    try {
      const view = await fetchView(source, {run, epoch, projection})
      if (mine === ticket) await showView(view)
    } catch (error) {
      if (mine === ticket) fidelity.textContent = error.message
    } finally {
      clearTimeout(slow)
      if (mine === ticket) disk.wait.hidden = true
    }
  }
  async function showView(view) {
    const before = model.view
    model.openView(view)
    fidelity.textContent = view.fidelity
    box.dataset.view = `${now.run} ${view.epoch} ${view.projection}`
    recolour()
    legend.draw()
    histogram.count()
    askNear()
    if (!before) {
      selection.draw()
      pick(showpiece(model))
    }
    await disk.show(before?.u, view.u)
  }

  // Colours, filters, selections
  function recolour() {
    disk.recolour()
  }
  function refilter() {
    recolour()
    histogram.count()
    selection.draw()
  }
  function select(inside, add = false) {
    const before = model.selected
    const kept = i => inside(i) || (add && before?.[i])
    const chosen = Uint8Array.from(model.run.names, (_, i) => inside && model.visible(i) && kept(i))
    model.selected = chosen.includes(1) ? chosen : null
    refilter()
    source.tell?.({run: now.run, selected: model.selection})
  }

  // One clip, and its neighbours
  function hover(i) {
    if (i === now.hover) return
    now.hover = i
    disk.redraw()
  }
  async function pick(i) {
    now.chosen = i
    model.near = []
    clip.clear()
    clip.showFacts()
    disk.redraw()
    histogram.draw()
    if (i < 0) return
    source.tell?.({run: now.run, chosen: i})
    askNear()
    await clip.load()
  }
  async function askNear() {
    const i = now.chosen
    const mine = ticket
    if (i < 0) return
    const asked = {run: now.run, epoch: model.view.epoch, i}
    const got = await source.ask('near', asked).catch(() => ({index: []}))
    if (now.chosen !== i || mine !== ticket) return
    model.near = got.index.map((neighbour, k) => ({i: neighbour, d: got.distance[k]}))
    clip.showFacts()
    clip.showNear()
    disk.redraw()
  }

  // Theme and size
  const night = matchMedia('(prefers-color-scheme: dark)')
  function darken() {
    const theme = document.body.dataset.jpThemeLight // of JupyterLab
    model.dark = theme ? theme === 'false' : night.matches
    box.classList.toggle('dark', model.dark)
  }
  function dress() {
    darken()
    clip.dress()
    recolour()
    legend.draw()
    histogram.draw()
    training.draw()
    if (now.chosen >= 0 && model.view) askNear()
  }
  const themes = new MutationObserver(dress)
  themes.observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light']})
  night.addEventListener('change', dress)
  const sizes = new ResizeObserver(() => {
    disk.redraw()
    histogram.draw()
  })

  // A run has grown, or there are others
  function update(next) {
    const epoch = model.run.epochs[now.epoch]
    const same =
      next.runs.length === model.offered.runs.length &&
      next.runs[now.run].names.length === model.count
    model.offered = next
    if (!same) {
      openRun(0)
      return
    }
    model.run = next.runs[now.run]
    bar.fill()
    const {epochs} = model.run
    const last = epochs.length - 1
    const at = epochs.findLastIndex(other => other <= epoch)
    if (now.follow && epochs[last] !== epoch) goto(last)
    else if (epochs[at] !== epoch)
      goto(Math.max(at, 0)) // it was thinned out
    else {
      now.epoch = at
      bar.showEpoch()
    }
  }

  box.dataset.lmSuppressShortcuts = 'true' // JupyterLab's own keys
  const left = [legend.element, histogram.element, selection.element]
  const middle = [disk.element, fidelity, element('p', {className: 'hint', textContent: advice})]
  const grid = element(
    'div',
    {className: 'grid'},
    element('aside', {className: 'left'}, ...left),
    element('main', {}, ...middle),
    element('aside', {className: 'right'}, ...clip.elements),
  )
  const inside = element('div', {className: 'inside'}, bar.element, training.element, grid)
  box.append(inside, tip.element)
  root.replaceChildren(box)
  if (!disk.hasPoints) {
    fidelity.textContent = 'This browser has no WebGL 2, which draws the points.'
  }
  darken()
  sizes.observe(disk.element)
  sizes.observe(histogram.canvas)
  const shown = handle(model, act, disk, clip)
  Object.assign(shown, {
    update,
    live(next) {
      model.standing = next
      training.draw()
    },
    close() {
      themes.disconnect()
      sizes.disconnect()
      night.removeEventListener('change', dress)
      clip.close()
      disk.close()
    },
  })
  root.explorer = shown
  box.explorer = shown
  shown.ready = openRun(0).then(() => {
    box.dataset.ready = 'yes'
  })
  return shown
}
async function fetchView(source, asked) {
  const got = await source.ask('view', asked)
  return {
    ...asked,
    u: new Float32Array(await unpacked(got.points)), // tangents of the disk
    distance: new Float32Array(await unpacked(got.distance)),
    predicted: got.predicted && new Int32Array(await unpacked(got.predicted)),
    fidelity: got.fidelity,
  }
}
// Something to look at from the start: the clip farthest out that is right and can be played
function showpiece(model) {
  const {view, source, now} = model
  const order = [...view.distance.keys()].sort((a, b) => view.distance[b] - view.distance[a])
  const plays = i => !source.plays || source.plays(now.run, i)
  return order.find(i => model.right(i) && plays(i)) ?? order.find(plays) ?? order[0]
}
// What scripts may ask of an explorer: `document.querySelector('.hysp').explorer`
function handle(model, act, disk, clip) {
  return {
    S: model.now,
    pick: act.pick,
    goto: act.goto,
    select: act.select,
    recentre: i => disk.recentre(...disk.place(i)),
    restore: disk.restore,
    name: i => model.run.names[i],
    place: disk.place,
    where(i) {
      const box = disk.element.getBoundingClientRect()
      const [x, y] = disk.places.paper(disk.place(i))
      return [box.left + x, box.top + y]
    },
    // Milliseconds that painting takes
    redraw() {
      const start = performance.now()
      disk.paint()
      return performance.now() - start
    },
    get iso() {
      return disk.places.isometry
    },
    get n() {
      return model.count
    },
    get view() {
      return model.view
    },
    get near() {
      return model.near
    },
    get selected() {
      return model.selection
    },
    get moving() {
      return disk.moving()
    },
    get player() {
      return clip.player
    },
  }
}

// Without a kernel: everything asked for lies in the page
function page(root, data) {
  const unpackedNear = {}
  async function nearOf(key) {
    unpackedNear[key] ??= {
      index: new Int32Array(await unpacked(data.near[key].index)),
      distance: new Float32Array(await unpacked(data.near[key].distance)),
    }
    return unpackedNear[key]
  }
  const answers = {
    view: ({run, epoch, projection}) => data.views[`${run} ${epoch} ${projection}`],
    async near({run, epoch, i}) {
      const key = `${run} ${epoch}`
      const {index, distance} = await nearOf(key)
      const {k} = data.near[key]
      const own = values => [...values.slice(i * k, (i + 1) * k)]
      return {index: own(index), distance: own(distance)}
    },
    clip({run, i}) {
      const at = data.clips[run]?.which.indexOf(i) ?? -1
      return at < 0 ? {} : {pack: data.clips[run].pack, at}
    },
  }
  const plays = (run, i) => data.clips[run]?.which.includes(i) ?? false
  return explorer(root, data.state, {plays, ask: async (what, asked) => answers[what](asked)})
}

// With a kernel, by way of anywidget
function render({model, el}) {
  const views = {...model.get('fresh')} // those that came unasked
  const waiting = new Map()
  let last = 0
  const source = {
    async ask(what, asked) {
      const view = views[`${asked.run} ${asked.epoch} ${asked.projection}`]
      if (what === 'view' && view) return view
      last++
      const id = last
      return new Promise((resolve, reject) => {
        waiting.set(id, {resolve, reject})
        model.send({id, what, ...asked})
      })
    },
    tell(facts) {
      for (const [name, value] of Object.entries(facts)) model.set(name, value)
      model.save_changes()
    },
  }
  function hear(message) {
    const asker = waiting.get(message.id)
    waiting.delete(message.id)
    if (message.error) asker?.reject(new Error(message.error))
    else asker?.resolve(message)
  }
  const shown = explorer(el, model.get('state'), source)
  const listeners = {
    'msg:custom': hear,
    'change:fresh': () => Object.assign(views, model.get('fresh')),
    'change:state': () => shown.update(model.get('state')),
    'change:live': () => shown.live(model.get('live')),
  }
  for (const [event, listener] of Object.entries(listeners)) model.on(event, listener)
  shown.live(model.get('live'))
  return () => {
    for (const [event, listener] of Object.entries(listeners)) model.off(event, listener)
    shown.close()
  }
}
export default {render}
