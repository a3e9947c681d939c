// Everything that is set, as words of the page's address; and set again from them. What an address
// names and the page does not have is passed over.

// Marks, one a clip or a value, as text: how many in turn are unmarked and marked, in base 36.
// A longer text is not written; that of 2,000 clips never is.
const longestMarks = 4096
function marksText(marks) {
  const lengths = [0]
  for (const [i, mark] of marks.entries()) {
    if (mark !== (marks[i - 1] ?? 0)) lengths.push(0)
    lengths[lengths.length - 1]++
  }
  const text = lengths.map(length => length.toString(36)).join('.')
  return text.length > longestMarks ? '' : text
}
// null where they are not of so many, or none is marked
function readMarks(text, count) {
  const marks = new Uint8Array(count)
  let at = 0
  for (const [k, length] of text.split('.').entries()) {
    const end = at + parseInt(length, 36)
    marks.fill(k % 2, at, end)
    at = end
  }
  return at === count && marks.includes(1) ? marks : null
}
// Can the page's address keep the selection?
const keepsSelection = ({source, selected}) =>
  !source.address || !selected || marksText(selected) !== ''

const addressOfView = ({where, run}) =>
  [where.run, run.epochs[where.epoch], where.projection].join()
const filterWord = name => `hide.${name}`
function filterWords(model) {
  const pairs = model.filters.map(([name, off, {names}]) => {
    const marks = names.map((_, value) => (off.has(value) ? 1 : 0))
    return [filterWord(name), marksText(marks)]
  })
  return Object.fromEntries(pairs)
}
function addressOf(model, disk, second) {
  const {now, where, run, selected, confusion} = model
  const at = disk.places.isometry
  const words = {
    run: where.run || '',
    epoch: run.epochs[where.epoch],
    projection: where.projection,
    colour: now.colour,
    clip: run.names[now.chosen] ?? '',
    search: now.search,
    at: at === identity ? '' : at.map(value => value.toFixed(6)).join(),
    second: second ? addressOfView(second.model) : '',
    ...filterWords(model),
    taken: confusion ? confusion.join() : '',
    selected: selected ? marksText(selected) : '',
  }
  return new URLSearchParams(Object.entries(words).filter(([, value]) => value !== '')).toString()
}
function readView(text, offered) {
  const [run, epoch, projection] = text.split(',')
  const position = offered.runs[Number(run)]?.epochs.indexOf(Number(epoch)) ?? -1
  if (position < 0 || !offered.projections.includes(projection)) return null
  return {run: Number(run), epoch: position, projection}
}
function readAddress(words, offered) {
  const run = offered.runs[Number(words.get('run'))] ? Number(words.get('run')) : 0
  const {epochs, names} = offered.runs[run]
  const at = (words.get('at') ?? '').split(',').map(Number)
  const size = at[0] ** 2 + at[1] ** 2 - at[2] ** 2 - at[3] ** 2
  return {
    run,
    epoch: epochs.indexOf(Number(words.get('epoch') ?? NaN)),
    projection: offered.projections.find(name => name === words.get('projection')),
    colour: words.get('colour'),
    clip: names.indexOf(words.get('clip')),
    search: words.get('search') ?? '',
    second: readView(words.get('second') ?? '', offered),
    at: at.length === 4 && Math.abs(size - 1) < 0.01 ? after(at, identity) : identity,
  }
}
// Filters and selection, once the view is there to which they belong
function readFilters(words, model) {
  for (const name of model.colourings()) {
    const kind = model.kindOf(name)
    const marks = kind && readMarks(words.get(filterWord(name)) ?? '', kind.names.length)
    if (marks) model.hidden[name] = new Set(marked(marks))
  }
  const confused = model.view?.predicted ? model.confusions() : []
  const pairs = confused.map(([label, taken]) => [label, taken])
  model.confusion = pairs.find(pair => pair.join() === words.get('taken')) ?? null
  model.selected = readMarks(words.get('selected') ?? '', model.count)
}
