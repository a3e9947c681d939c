// What all panels look at: clips, views of them, and what the user has set

const words = {
  subject: 'person',
  correct: 'right or wrong',
  taken: 'taken for',
}
const wordFor = name => words[name] ?? name
const spaced = projection => projection.replaceAll('_', ' ')
const manyValues = 60 // numbers that take more values than this are a quantity

const isNumber = value => typeof value === 'number'
const isQuantity = (name, values) =>
  values.every(value => value === null || isNumber(value)) &&
  (name === 'frames' ||
    values.some(value => isNumber(value) && !Number.isInteger(value)) ||
    new Set(values).size > manyValues)

function kindName(column, value) {
  if (value === null || value === '' || value < 0) return 'not known'
  if (column === 'bodies') return `${value} ${value === 1 ? 'body' : 'bodies'}`
  return isNumber(value) ? `${wordFor(column)} ${value}` : value
}

// What clips can be told apart by: for each, a value of each clip and the names of the values
function kindsOf(run) {
  const kinds = {class: {values: run.labels, names: run.class_names}}
  for (const [column, values] of Object.entries(run.columns)) {
    if (isQuantity(column, values)) continue
    const known = [...new Set(values)].sort((a, b) => (isNumber(a) ? a - b : a < b ? -1 : 1))
    if (known.length < 2) continue
    const position = new Map(known.map((value, k) => [value, k]))
    const names = known.map(value => kindName(column, value))
    kinds[column] = {values: values.map(value => position.get(value)), names}
  }
  return kinds
}

// Positions of what is marked
const marked = marks => [...marks.keys()].filter(i => marks[i])

// From the first percentile to the last
function span(values) {
  const sorted = ascending(values.filter(Number.isFinite))
  const low = quantile(sorted, 0.01) || 0
  const high = quantile(sorted, 0.99) || 0
  return [low, high > low ? high : low + 1e-6]
}

// `now` is what the user has set, `where` which view is shown, `run` and `view` what the source gave
class Model {
  constructor(offered, source, box, inside) {
    this.offered = offered
    this.source = source
    this.box = box
    this.inside = inside // what letters are as large as
    this.now = {colour: offered.colour ?? 'class', drag: 'move', names: true}
    this.where = {run: 0, epoch: 0, projection: offered.projections[0], follow: true}
    this.dark = false
    this.standing = null // how a training stands
    this.tags = {} // name of a clip → its tags
    this.openRun(0)
  }

  openRun(position) {
    this.run = this.offered.runs[position]
    this.where.run = position
    Object.assign(this.now, {chosen: -1, hover: -1, bright: -1, search: ''})
    this.view = null
    this.viewKinds = {}
    this.hidden = {} // kind → values that are not shown
    this.confusion = null // a class and what its clips were taken for, where only these are shown
    this.selected = null // one a clip, or null
    this.found = null // one a clip, or null where nothing is searched for
    this.near = [] // neighbours of the chosen clip
    this.past = [] // selections and tags before each change
    this.openColumns()
  }

  openColumns() {
    this.clipKinds = kindsOf(this.run)
    const tags = this.run.names.map((_, i) => this.tagsOf(i).join(', '))
    const known = ['', ...[...new Set(tags)].filter(Boolean).sort()]
    if (known.length > 1) {
      const names = known.map(tag => tag || 'no tag')
      this.clipKinds.tags = {values: tags.map(tag => known.indexOf(tag)), names}
    }
    if (!this.colourings().includes(this.now.colour)) this.now.colour = 'class'
    this.filter()
  }

  openView(view) {
    this.view = view
    this.viewKinds = {}
    this.keepsDistance = keepsDistance(view, this.run.c)
    if (view.predicted) {
      const values = Array.from(view.predicted, (_, i) => (this.right(i) ? 0 : 1))
      const colours = ['#1c8e68', '#cd560a']
      this.viewKinds.correct = {values, names: ['right', 'wrong'], colours}
      this.viewKinds.taken = {values: view.predicted, names: this.run.class_names}
    }
    this.filter()
  }

  get count() {
    return this.run.names.length
  }

  kindOf(name) {
    return this.viewKinds[name] ?? this.clipKinds[name]
  }

  get kind() {
    return this.kindOf(this.now.colour)
  }

  get selection() {
    return this.selected ? marked(this.selected) : []
  }

  colourings() {
    const {columns} = this.run
    const coloured = Object.keys(columns).filter(
      name => this.clipKinds[name] || isQuantity(name, columns[name]),
    )
    const judged = this.run.predicts ? ['correct', 'taken'] : []
    const tagged = this.clipKinds.tags ? ['tags'] : []
    return ['class', 'distance', ...judged, ...coloured, ...tagged]
  }

  className(i) {
    return this.run.class_names[this.run.labels[i]]
  }

  right(i) {
    return !this.view.predicted || this.view.predicted[i] === this.run.labels[i]
  }

  // Can a clip's skeleton be had?
  plays(i) {
    const {source, where} = this
    return !source.plays || source.plays(where.run, i)
  }

  // Kinds of which some values are not shown: name, values that are not, kind
  get filters() {
    const all = Object.entries(this.hidden).map(([name, off]) => [name, off, this.kindOf(name)])
    return all.filter(([, off, kind]) => off.size && kind)
  }

  // Which clips the filters leave
  filter() {
    const {filters} = this
    const {labels} = this.run
    const predicted = this.view?.predicted
    this.shown = Uint8Array.from(labels, (label, i) => {
      if (filters.some(([, off, {values}]) => off.has(values[i]))) return 0
      if (!this.confusion || !predicted) return 1
      return label === this.confusion[0] && predicted[i] === this.confusion[1] ? 1 : 0
    })
  }

  visible(i) {
    return this.shown[i] === 1
  }

  // Does a clip lie in the background?
  faint(i) {
    const {kind, now, selected, found} = this
    if (now.bright >= 0 && kind && kind.values[i] !== now.bright) return true
    return (selected && !selected[i]) || (found && !found[i])
  }

  // Before a change of selection or tags, and back
  remember() {
    this.past.push({selected: this.selected, tags: this.tags})
  }
  undo() {
    Object.assign(this, this.past.pop())
    this.openColumns()
  }

  tagsOf(i) {
    return this.tags[this.run.names[i]] ?? []
  }

  // Clips that a tag goes to
  tagged() {
    const {selection, now} = this
    return selection.length || now.chosen < 0 ? selection : [now.chosen]
  }

  // Give a tag, or take it away where all have it
  tag(tag) {
    const clips = this.tagged()
    const all = clips.every(i => this.tagsOf(i).includes(tag))
    const tags = {...this.tags}
    for (const i of clips) {
      const others = this.tagsOf(i).filter(other => other !== tag)
      const own = all ? others : [...others, tag]
      if (own.length) tags[this.run.names[i]] = own
      else delete tags[this.run.names[i]]
    }
    this.tags = tags
    this.openColumns()
  }

  // Select clips: in place of those selected before, or `add` or `subtract` them; null: none
  select(inside, how = 'new') {
    const before = this.selected
    const chosen = i => {
      if (how === 'subtract') return before?.[i] && !inside(i)
      return (this.visible(i) && inside(i)) || (how === 'add' && before?.[i])
    }
    const marks = Uint8Array.from(this.run.names, (_, i) => (inside && chosen(i) ? 1 : 0))
    this.selected = marks.includes(1) ? marks : null
  }

  // Pairs of a class and another that its clips were taken for, the most frequent first
  confusions() {
    const counts = new Map()
    for (const [i, label] of this.run.labels.entries()) {
      if (this.right(i)) continue
      const key = `${label} ${this.view.predicted[i]}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    const pairs = [...counts].sort((a, b) => b[1] - a[1])
    return pairs.map(([key, count]) => [...key.split(' ').map(Number), count])
  }

  // Clips whose name or class holds a text, or whose person it names
  search(text) {
    this.now.search = text
    const wanted = text.trim().toLowerCase()
    const holds = value => value.toLowerCase().includes(wanted)
    const classes = this.run.class_names.map(holds)
    const people = this.run.columns.subject
    const found = (name, i) =>
      holds(name) || classes[this.run.labels[i]] || (people && `person ${people[i]}` === wanted)
    this.found = wanted
      ? Uint8Array.from(this.run.names, (name, i) => (found(name, i) ? 1 : 0))
      : null
  }

  get foundClips() {
    return this.found ? marked(this.found).filter(i => this.visible(i)) : []
  }

  // What a ramp of colours shows
  quantity() {
    return Array.from(
      this.run.columns[this.now.colour] ?? this.view.distance,
      value => value ?? NaN,
    )
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

// The same clips on a second disk: what is chosen, selected and filtered is shared with the first,
// the view is its own: another run of the same clips, else another epoch, or what `wanted` says
function beside(first, wanted = {}) {
  const second = Object.create(first)
  const {run, projection} = first.where
  const others = [...first.offered.runs.keys()].filter(position => position !== run)
  const other = others.find(position => sameClips(first, position))
  const epoch = other === undefined ? 0 : first.offered.runs[other].epochs.length - 1
  const where = {run: other ?? run, epoch, projection, follow: false, ...wanted}
  return Object.assign(second, {
    where,
    run: first.offered.runs[where.run],
    view: null,
    viewKinds: {},
    filter() {}, // the first disk says which clips are shown
  })
}
// Does another run hold the clips that the model shows?
function sameClips(model, other) {
  const {names} = model.offered.runs[other]
  return names.length === model.count && names.every((name, i) => name === model.run.names[i])
}

// Do the places on paper keep the distances from the origin, to a hundredth in the median?
function keepsDistance(view, c) {
  const off = view.distance.map((distance, i) => {
    const onPaper = (2 / Math.sqrt(c)) * Math.hypot(view.u[2 * i], view.u[2 * i + 1])
    return Math.abs(onPaper - distance) / (distance || 1)
  })
  return !(median(off) > 0.01)
}
