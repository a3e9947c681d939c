// The explorer: a Poincaré disk one can move, with all that belongs to its points; for JupyterLab
// and for the page without a kernel. `source.ask(what, args)` promises views, neighbours and clips;
// `source.tell(facts)`, where there is one, hears what is chosen and selected; and
// `source.plays(run, i)`, where not all clips have a skeleton, says which have.

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
    ...{tag, undo},
    offers: () => true,
    viewed,
    drawLegend: () => legend.draw(),
    restore: () => first.disk.restore(),
    centreChosen: () => first.disk.centreChosen(),
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
  const disks = () => [first.disk]

  // Runs and views
  function openRun(position) {
    model.openRun(position)
    model.where.epoch = model.run.epochs.length - 1
    bar.fill()
    clip.showFacts()
    return first.open()
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
  const night = matchMedia('(prefers-color-scheme: dark)')
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
    model.openColumns()
    if (next.colour && model.colourings().includes(next.colour)) colourBy(next.colour)
    bar.fill()
  }

  box.dataset.lmSuppressShortcuts = 'true' // JupyterLab's own keys
  const advice = [hint, offered.note].filter(Boolean).join(' · ')
  const left = [legend, confusions, histogram, selection].map(panel => panel.element)
  const grid = element(
    'div',
    {className: 'grid'},
    element('aside', {className: 'left'}, ...left),
    element('main', {}, first.element, element('p', {className: 'hint', textContent: advice})),
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
  Object.assign(shown, {
    update,
    live(next) {
      model.standing = next
      training.draw()
    },
    tags(next) {
      if (next === model.tags) return
      model.tags = next
      model.openColumns()
      showTags()
    },
    close() {
      themes.disconnect()
      sizes.disconnect()
      night.removeEventListener('change', dress)
      clip.close()
      gallery.close()
      first.disk.close()
    },
  })
  root.explorer = shown
  box.explorer = shown
  shown.ready = openRun(0).then(() => {
    box.dataset.ready = 'yes'
  })
  return shown
}
// Something to look at from the start: the clip farthest out that is right and can be played
function showpiece(model) {
  const {view, source, where} = model
  const order = [...view.distance.keys()].sort((a, b) => view.distance[b] - view.distance[a])
  const plays = i => !source.plays || source.plays(where.run, i)
  return order.find(i => model.right(i) && plays(i)) ?? order.find(plays) ?? order[0]
}
// What scripts may ask of an explorer: `document.querySelector('.hysp').explorer`
function handle(model, act, first, clip) {
  const {disk} = first
  return {
    S: model.now,
    model,
    pick: act.pick,
    goto: first.goto,
    select: act.select,
    recentre: i => disk.recentre(...disk.place(i)),
    restore: disk.restore,
    name: i => model.run.names[i],
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
    get n() {
      return model.count
    },
    get view() {
      return model.view
    },
    get near() {
      return model.near
    },
    get names() {
      return disk.names
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
  const shown = explorer(root, data.state, {plays, ask, tell})
  shown.tags(kept.read())
  return shown
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
