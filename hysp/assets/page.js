// What stands about the explorer on a page: the sentence, figures, accuracy, curves, results

const byId = id => document.getElementById(id)
const pageData = JSON.parse(byId('data').textContent)
const {result} = pageData
const make = (tag, className = '', textContent = '') => element(tag, {className, textContent})

// At the top
function showFigures() {
  byId('finding').textContent = result.finding
  for (const {name, value, note} of result.facts) {
    byId('facts').append(
      element('div', {}, make('dt', '', name), make('dd', '', value), make('dd', 'note', note)),
    )
  }
  for (const id of ['subtitle', 'finding']) byId(id).hidden = !byId(id).textContent
}

// Accuracy by distance; what is read from it stands above it, of the bin that is pointed at
function showDistance() {
  const found = result.distance
  byId('distance-card').hidden = !found
  if (!found) return
  const host = byId('distance')
  accuracyChart(host, found)
  const bin = k => {
    const [low, high] = found.interval[k].map(share => percent(share))
    const count = found.count[k].toLocaleString('en')
    return `${percent(found.accuracy[k])} of ${count} right (95 %: ${low} to ${high})`
  }
  const last = found.count.length - 1
  const summary = last
    ? `Nearest to the origin ${bin(0)}, farthest out ${bin(last)}.`
    : `At all distances ${bin(0)}.`
  const read = byId('distance-read')
  read.textContent = summary
  const {edges} = found.histogram
  followPointer(host, [3.4, 1], share => {
    const distance = share === null ? NaN : edges[0] + share * (edges.at(-1) - edges[0])
    const k = found.high.findIndex(high => distance <= high)
    const between = `At a distance of ${number(found.low[k])} to ${number(found.high[k])}`
    read.textContent = k < 0 ? summary : `${between}: ${bin(k)}.`
  })
}

// Curves; above them what each line is, and its value at the end or where the pointer is
function showCurves() {
  const {curves} = result
  byId('curves-card').hidden = !curves
  if (!curves) return
  const host = byId('curves')
  const end = curves.x.length - 1
  let at = end
  const drawn = curveChart(host, curves, () => at)
  const lines = curves.panels.flatMap(({lines}) => lines.map((line, k) => [line, k]))
  function read() {
    const values = lines.map(([{name, values}, k]) => {
      const value = values[at]
      const text = `${name} ${value === null ? '–' : readable(value)}`
      return element('span', {className: 'line'}, make('i', `curve${k}`), textSpan(text))
    })
    byId('curves-read').replaceChildren(textSpan(`${curves.x_name} ${curves.x[at]}`), ...values)
  }
  read()
  followPointer(host, [4.6, 1], share => {
    const [low, high] = ends(curves.x)
    const wanted = share === null ? Infinity : low + share * (high - low)
    const after = curves.x.findIndex(x => x >= wanted)
    at = after < 0 ? end : after
    if (at && share !== null && wanted - curves.x[at - 1] < curves.x[at] - wanted) at--
    read()
    drawn()
  })
}

// Results
function fillTable(id, {heads, numeric, bars, rows}, best) {
  const names = heads.map((text, k) => make('th', numeric[k] && !bars[k] ? 'number' : '', text))
  byId(id).append(element('tr', {}, ...names))
  for (const row of rows) {
    const cells = row.map((value, k) =>
      bars[k] && value !== null ? meterCell(value, best[k]) : plainCell(value, numeric[k]),
    )
    byId(id).append(element('tr', {}, ...cells))
  }
}
// The highest value of each column
function highest({heads, rows}) {
  if (rows.length < 2) return []
  return heads.map((_, k) => Math.max(...rows.map(row => row[k] ?? -Infinity)))
}
function plainCell(value, numeric) {
  return make(
    'td',
    numeric ? 'number' : '',
    numeric && value !== null ? readable(value) : (value ?? '–'),
  )
}
function meterCell(value, best) {
  const fill = make('b')
  fill.style.width = `${Math.max(0, Math.min(100, value))}%`
  const text = make('span', '', value.toFixed(1))
  const meter = element('div', {className: 'meter'}, text, element('i', {}, fill))
  const className = value === best ? 'number barred best' : 'number barred'
  return element('td', {className}, meter)
}
function showResults() {
  if (result.table) fillTable('table', result.table, highest(result.table))
  if (result.classes) fillTable('classes', result.classes, [])
  byId('classes-card').hidden = !result.classes
  for (const note of result.notes) byId('notes').append(make('p', '', note))
  byId('table-card').hidden = !result.table && !result.notes.length
  byId('table-title').textContent = result.table ? 'Results' : 'Notes'
}

showFigures()
showDistance()
showCurves()
showResults()
await page(byId('explorer'), pageData).ready
document.documentElement.dataset.ready = 'yes'
