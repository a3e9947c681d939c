// The explorer: a Poincaré disk one can move, with all that belongs to its points; for JupyterLab
// and for the page without a kernel. `source.ask(what, args)` promises views, neighbours and clips;
// `source.tell(facts)`, where there is one, hears what is chosen and selected; `source.plays(run, i)`,
// where not all clips have a skeleton, says which have; and `source.address`, where there is one,
// reads and writes what is set.

const hint =
  'click: play and hold · double click: to the middle · drag: move the disk · ' +
  'shift and drag: select'

// All of it: panels around one model, and what they ask of each other
function explorer(root, offered, source) {
  const inside = element('div', {className: 'inside'})
  const box = element('div', {className: 'hysp'}, inside)
  const model = new Model(offered, source, box, inside)
  const {now} = model
  const act = {
    ...{openRun, pick, select, search, colourBy, recolour, refilter, hover, dragTo, writeNames},
    ...{tag, undo, showSecond, rest},
    offers: () => true,
    hasSecond: () => second !== null,
    savePng: () => Promise.all(sides().map(side => savePng(side.model, side.disk))),
    saveSvg: () => sides().map(side => saveSvg(side.model, side.disk)),
    viewed,
    drawLegend: () => legend.draw(),
    restore: () => Promise.all(disks().map(disk => disk.restore())),
    centreChosen: () => Promise.all(disks().map(disk => disk.centreChosen())),
    togglePlay: () => clip.togglePlay(),
    showTip: (i, event, shown) => tip.show(i, event, shown),
    hideTip: () => tip.hide(),
  }
  const bar = barPanel(model, act)
  const training = trainingPanel(model)
  const legend = legendPanel(model, act)
  const confusions = confusionPanel(model, act)
  const histogram = histogramPanel(model, act)
  const selection = selectionPanel(model, act)
  const first = sidePanel(model, act)
  const clip = clipPanel(model, act)
  const tags = tagPanel(model, act)
  const gallery = galleryPanel(model, act)
  const tip = tipPanel()
  let second = null // the same clips on a second disk
  const sides = () => (second ? [first, second] : [first])
  const disks = () => sides().map(side => side.disk)

  // Runs and views
  function openRun(position, epoch = -1) {
    showSecond(false)
    model.openRun(position)
    model.where.epoch = epoch < 0 ? model.run.epochs.length - 1 : epoch
    bar.fill()
    clip.showFacts()
    gallery.open()
    return first.open()
  }
  // As the address says
  async function openAddress() {
    const words = new URLSearchParams(source.address?.read() ?? '')
    const given = readAddress(words, model.offered)
    if (given.projection) model.where.projection = given.projection
    await openRun(given.run, given.epoch)
    readFilters(words, model)
    if (model.filters.length || model.confusion) {
      refilter()
      legend.draw()
      confusions.draw()
    }
    if (model.selected) showSelection()
    if (model.colourings().includes(given.colour)) colourBy(given.colour)
    if (given.search) search(given.search)
    if (given.clip >= 0) pick(given.clip)
    first.disk.turnTo(given.at)
    if (given.second && sameClips(model, given.second.run)) await showSecond(true, given.second)
  }
  let writing = 0
  function rest() {
    clearTimeout(writing)
    if (!model.view || !source.address || box.dataset.ready !== 'yes') return
    writing = setTimeout(() => source.address.write(addressOf(model, first.disk, second)), 300)
  }
  // The second disk, or the first alone again
  function showSecond(on, wanted) {
    if (on === (second !== null)) return
    grid.classList.toggle('two', on)
    if (!on) {
      second.close()
      second = null
      bar.fill()
      rest()
      return
    }
    const twin = beside(model, wanted)
    second = sidePanel(twin, {
      ...act,
      offers: position => sameClips(model, position),
      viewed() {},
      openRun(position) {
        twin.run = model.offered.runs[position]
        Object.assign(twin.where, {run: position, epoch: twin.run.epochs.length - 1})
        return second.open()
      },
    })
    first.element.after(second.element)
    sizes.observe(second.disk.element)
    dragTo(now.drag)
    bar.fill()
    return second.open()
  }
  function viewed(view, before) {
    box.dataset.view = `${view.run} ${view.epoch} ${view.projection}`
    legend.draw()
    confusions.draw()
    histogram.count()
    askNear()
    if (before) return
    showSelection()
    pick(showpiece(model))
  }

  // Colours, filters, selections
  function recolour() {
    for (const disk of disks()) disk.recolour()
  }
  function writeNames() {
    for (const disk of disks()) disk.writeNames()
  }
  function colourBy(name) {
    now.colour = name
    now.bright = -1
    recolour()
    writeNames()
    legend.draw()
  }
  function refilter() {
    model.filter()
    recolour()
    writeNames()
    histogram.count()
    selection.draw()
    bar.showFound()
  }
  function search(text) {
    model.search(text)
    recolour()
    bar.showFound()
  }
  function showSelection() {
    recolour()
    histogram.count()
    selection.draw()
    tags.draw()
    gallery.open()
  }
  function select(inside, how = 'new') {
    if (!inside && !model.selected) return
    model.remember()
    model.select(inside, how)
    showSelection()
    source.tell?.({run: model.where.run, selected: model.selection})
  }
  function showTags() {
    bar.fill()
    clip.showFacts()
    tags.draw()
    selection.draw()
    recolour()
    legend.draw()
  }
  function tag(name) {
    model.remember()
    model.tag(name)
    showTags()
    source.tell?.({tags: model.tags})
  }
  function undo() {
    if (!model.past.length) return
    model.undo()
    showSelection()
    showTags()
    source.tell?.({run: model.where.run, selected: model.selection, tags: model.tags})
  }
  function dragTo(mode) {
    now.drag = mode
    bar.showMode()
    for (const disk of disks()) disk.element.classList.toggle('select', mode !== 'move')
  }

  // One clip, and its neighbours
  function redraw() {
    for (const disk of disks()) disk.redraw()
  }
  function hover(i) {
    if (i === now.hover) return
    now.hover = i
    redraw()
  }
  async function pick(i) {
    now.chosen = i
    model.near = []
    clip.clear()
    clip.showFacts()
    redraw()
    histogram.draw()
    tags.draw()
    gallery.mark()
    if (i < 0) return
    source.tell?.({run: model.where.run, chosen: i})
    askNear()
    await clip.load()
  }
  async function askNear() {
    const i = now.chosen
    const mine = first.fresh()
    if (i < 0) return
    const asked = {run: model.where.run, epoch: model.view.epoch, i}
    const got = await source.ask('near', asked).catch(() => ({index: []}))
    if (now.chosen !== i || mine !== first.fresh()) return
    model.near = got.index.map((neighbour, k) => ({i: neighbour, d: got.distance[k]}))
    clip.showFacts()
    clip.showNear()
    redraw()
  }

  // Theme and size
  function darken() {
    const theme = document.body.dataset.jpThemeLight // of JupyterLab
    model.dark = theme ? theme === 'false' : night.matches
    box.classList.toggle('dark', model.dark)
  }
  function dress() {
    darken()
    clip.dress()
    gallery.dress()
    recolour()
    legend.draw()
    confusions.draw()
    histogram.draw()
    training.draw()
    if (now.chosen >= 0 && model.view) askNear()
  }
  const themes = new MutationObserver(dress)
  themes.observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light']})
  night.addEventListener('change', dress)
  const sizes = new ResizeObserver(() => {
    redraw()
    histogram.draw()
    training.draw()
  })

  // A run has grown or knows more of its clips, or there are others
  function update(next) {
    const same =
      next.runs.length === model.offered.runs.length &&
      next.runs[model.where.run].names.length === model.count
    model.offered = next
    if (!same) {
      openRun(0)
      return
    }
    first.grow(next.runs[model.where.run])
    if (second) second.grow(next.runs[second.model.where.run])
    model.openColumns()
    if (next.colour && model.colourings().includes(next.colour)) colourBy(next.colour)
    bar.fill()
  }

  box.dataset.lmSuppressShortcuts = 'true' // JupyterLab's own keys
  const advice = [hint, offered.note].filter(Boolean).join(' · ')
  const about = element('p', {className: 'hint', textContent: advice})
  const left = [legend, confusions, histogram, selection].map(panel => panel.element)
  const grid = element(
    'div',
    {className: 'grid'},
    element('aside', {className: 'left'}, ...left),
    element('main', {}, element('div', {className: 'disks'}, first.element), about),
    element('aside', {className: 'right'}, clip.element, tags.element, clip.nearest),
    gallery.element,
  )
  inside.append(bar.element, training.element, grid)
  box.append(tip.element)
  root.replaceChildren(box)
  darken()
  sizes.observe(first.disk.element)
  sizes.observe(histogram.canvas)
  const shown = handle(model, act, first, clip)
  Object.defineProperty(shown, 'second', {get: () => second && diskHandle(second)})
  Object.assign(shown, {
    update,
    live(next) {
      model.standing = next
      training.draw()
    },
    // Positions of clips that a script selects
    selectOnly(positions) {
      if (String(positions) === String(model.selection)) return
      const wanted = new Set(positions)
      select(i => wanted.has(i))
    },
    tags(next) {
      if (next === model.tags) return
      model.tags = next
      model.openColumns()
      showTags()
    },
    openAddress,
    close() {
      clearTimeout(writing)
      themes.disconnect()
      sizes.disconnect()
      night.removeEventListener('change', dress)
      clip.close()
      gallery.close()
      for (const side of sides()) side.close()
    },
  })
  root.explorer = shown
  box.explorer = shown
  shown.ready = openAddress().then(() => {
    box.dataset.ready = 'yes'
  })
  return shown
}
// Something to look at from the start: the clip farthest out that is right and can be played
function showpiece(model) {
  const {view} = model
  const order = [...view.distance.keys()].sort((a, b) => view.distance[b] - view.distance[a])
  const plays = i => model.plays(i)
  return order.find(i => model.right(i) && plays(i)) ?? order.find(plays) ?? order[0]
}
// What scripts may ask of an explorer: `document.querySelector('.hysp').explorer`
function handle(model, act, first, clip) {
  const own = {
    S: model.now,
    pick: act.pick,
    select: act.select,
    name: i => model.run.names[i],
    get n() {
      return model.count
    },
    get near() {
      return model.near
    },
    get selected() {
      return model.selection
    },
    get player() {
      return clip.player
    },
  }
  return Object.defineProperties(diskHandle(first), Object.getOwnPropertyDescriptors(own))
}
// What they may ask of one of its disks
function diskHandle({model, disk, goto}) {
  return {
    model,
    goto,
    recentre: i => disk.recentre(...disk.place(i)),
    restore: disk.restore,
    place: disk.place,
    where: disk.where,
    // Milliseconds that painting takes
    redraw() {
      const start = performance.now()
      disk.paint()
      return performance.now() - start
    },
    get iso() {
      return disk.places.isometry
    },
    get view() {
      return model.view
    },
    get names() {
      return disk.names
    },
    // Where distances and names are written
    get letters() {
      return disk.letters
    },
    get moving() {
      return disk.moving()
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
    clips({run, index}) {
      const {which, pack} = data.clips[run] ?? {which: []}
      const at = index.map(i => which.indexOf(i))
      return at.includes(-1) ? {} : {pack, at}
    },
  }
  const plays = (run, i) => data.clips[run]?.which.includes(i) ?? false
  const kept = keeper(`hysp ${document.title}`)
  const tell = facts => facts.tags && kept.write(facts.tags)
  const ask = async (what, asked) => answers[what](asked)
  const shown = explorer(root, data.state, {plays, ask, tell, address: pageAddress()})
  shown.tags(kept.read())
  addEventListener('hashchange', shown.openAddress)
  return shown
}
// The part of the page's address after #; a page in a frame has none
function pageAddress() {
  if (['about:', 'blob:', 'data:'].includes(location.protocol)) return undefined
  return {
    read: () => location.hash.slice(1),
    write: text => history.replaceState(null, '', `#${text}`),
  }
}
// What the browser keeps under a name; nothing where it may not, as in some frames
function keeper(name) {
  return {
    read() {
      try {
        return JSON.parse(localStorage.getItem(name)) ?? {}
      } catch {
        return {}
      }
    },
    write(value) {
      try {
        localStorage.setItem(name, JSON.stringify(value))
      } catch {
        // The tags last as long as the page
      }
    },
  }
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
    'change:tags': () => shown.tags(model.get('tags')),
    'change:selected': () => shown.selectOnly(model.get('selected')),
  }
  for (const [event, listener] of Object.entries(listeners)) model.on(event, listener)
  shown.live(model.get('live'))
  shown.tags(model.get('tags'))
  return () => {
    for (const [event, listener] of Object.entries(listeners)) model.off(event, listener)
    shown.close()
  }
}
export default {render}
