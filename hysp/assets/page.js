// The report page: the disk with its clips by plotly, the classes, the results

const data = JSON.parse(document.getElementById('data').textContent)
const byId = id => document.getElementById(id)
const rootStyle = () => getComputedStyle(document.documentElement)
const css = name => rootStyle().getPropertyValue(name).trim()
const rem = (times = 1) => times * parseFloat(rootStyle().fontSize)
const make = (tag, className = '', textContent = '') => element(tag, {className, textContent})
const count = data.labels.length
const clipRadii = ascending(data.radius)
const isWrong = i => data.correct && !data.correct[i]
const hiddenLabels = new Set()
const shown = {scale: 'poincare', which: 'all', pinned: -1, clip: -1, bright: -1}

// Numbers at the top
function showNumbers() {
  const numbers = {
    clips: count.toLocaleString('en'),
    classes: new Set(data.labels).size,
    'median radius': quantile(clipRadii, 0.5).toFixed(3),
  }
  if (data.correct) numbers.accuracy = percent(data.correct.filter(Boolean).length / count, 1)
  for (const [name, value] of Object.entries({...numbers, ...data.facts})) {
    byId('facts').append(element('div', {}, make('dt', '', name), make('dd', '', value)))
  }
  if (!byId('subtitle').textContent) byId('subtitle').hidden = true
}

// Theme: figures come without colours of the page; on black those of the classes are lighter
const night = matchMedia('(prefers-color-scheme: dark)')
function ink(colour) {
  const known = /^#[0-9a-f]{6}$/i.test(colour)
  return night.matches && known ? rgb(lighter(hex(colour))) : colour
}
function inked(traces) {
  return traces.map(trace => {
    const dressed = {...trace}
    for (const part of ['line', 'marker']) {
      if (trace[part]) dressed[part] = {...trace[part], color: ink(trace[part].color)}
    }
    return dressed
  })
}
const classGlyph = (label, hollow) => {
  const [colour, shape] = data.styles[label]
  return glyph(ink(colour), shape, hollow)
}
const plotButtons = ['zoom2d', 'pan2d', 'zoomIn2d', 'zoomOut2d', 'resetScale2d']
const plotConfig = {
  responsive: true,
  displaylogo: false,
  displayModeBar: 'hover',
  modeBarButtons: [plotButtons],
}
function themed(layout) {
  const small = {size: rem(0.8), color: css('--soft')}
  const label = {family: css('--sans'), color: css('--ink'), size: rem(0.82)}
  const dressed = {
    ...layout,
    autosize: true,
    modebar: {bgcolor: 'rgba(0,0,0,0)', color: css('--faint'), activecolor: css('--ink')},
    font: {...small, family: css('--sans')},
    hoverlabel: {bgcolor: css('--card'), bordercolor: css('--line'), font: label},
  }
  delete dressed.height
  const lines = {gridcolor: css('--line'), linecolor: css('--line'), zeroline: false}
  for (const [name, axis] of Object.entries(layout)) {
    if (!/^[xy]axis\d*$/.test(name)) continue
    dressed[name] = {...axis, ...lines, automargin: true}
    if (axis.title) dressed[name].title = {standoff: 8, ...axis.title, font: small}
  }
  return dressed
}

// Places on the disk, as it is or with the hyperbolic distance as radius
const classTraces = data.disk.data.filter(trace => trace.meta.role === 'class')
const places = new Array(count)
for (const trace of classTraces) {
  for (const [k, i] of trace.customdata.entries()) places[i] = [trace.x[k], trace.y[k]]
}
// Places are on the unit disk, whatever the curvature
const placeDistance = i => distanceAt(Math.hypot(...places[i]) / Math.sqrt(data.c), data.c)
const placeDistances = [...places.keys()].map(placeDistance).filter(Number.isFinite)
const farthest = Math.max(1, Math.ceil(Math.max(0, ...placeDistances) - 1e-6))
function shownPlace(i) {
  const [x, y] = places[i]
  const r = Math.hypot(x, y)
  if (shown.scale === 'poincare' || !r) return [x, y]
  const scale = Math.min(placeDistance(i), farthest) / farthest / r
  return [scale * x, scale * y]
}
// Radius on paper and hyperbolic distance of each ring
function distanceRings() {
  if (shown.scale === 'poincare') {
    return [1, 2, 3, 4].map(distance => [Math.sqrt(data.c) * radiusAt(distance, data.c), distance])
  }
  const step = Math.ceil(farthest / 5)
  const rings = []
  for (let distance = farthest; distance > 0; distance -= step) {
    rings.unshift([distance / farthest, distance])
  }
  return rings
}

// The disk
const hasWebGL = (() => {
  try {
    return Boolean(document.createElement('canvas').getContext('webgl'))
  } catch {
    return false
  }
})()
const markerType = hasWebGL ? 'scattergl' : 'scatter'
const turn = Array.from({length: 181}, (_, k) => (2 * Math.PI * k) / 180)
function ringTrace(radius, color, width, fillcolor) {
  return {
    type: 'scatter',
    mode: 'lines',
    hoverinfo: 'skip',
    showlegend: false,
    x: turn.map(angle => radius * Math.cos(angle)),
    y: turn.map(angle => radius * Math.sin(angle)),
    line: {color, width},
    fill: fillcolor ? 'toself' : 'none',
    fillcolor,
  }
}
function chosenTrace() {
  const i = shown.pinned >= 0 ? shown.pinned : shown.clip
  const [x, y] = i >= 0 && !hiddenLabels.has(data.labels[i]) ? shownPlace(i) : [null, null]
  const line = {width: 2, color: css('--ink')}
  return {
    type: markerType,
    mode: 'markers',
    hoverinfo: 'skip',
    showlegend: false,
    meta: {role: 'chosen'},
    x: [x],
    y: [y],
    marker: {symbol: 'circle-open', size: rem(1.25), color: css('--ink'), line},
  }
}
function classTrace(trace) {
  const {label} = trace.meta
  const {symbol, color} = trace.marker
  const clips = trace.customdata
  const at = clips.map(shownPlace)
  const share = shown.bright >= 0 && shown.bright !== label ? 0.1 : 1
  const all = shown.which === 'all' || !data.correct
  const hollow = symbol.map(name => name.endsWith('-open'))
  const line = {
    width: hollow.map(open => (open ? 1.7 : 0.6)),
    color: hollow.map(open => (open ? color : css('--edge'))),
  }
  return {
    ...trace,
    type: markerType,
    visible: !hiddenLabels.has(label),
    showlegend: false,
    hovertemplate: undefined,
    text: undefined,
    hoverinfo: 'none',
    x: at.map(([x]) => x),
    y: at.map(([, y]) => y),
    marker: {
      ...trace.marker,
      size: rem(Math.max(0.36, Math.min(0.62, 14 / Math.sqrt(count)))),
      opacity: clips.map(i => (all || isWrong(i) ? 0.92 : 0.05) * share),
      line,
    },
  }
}
function drawDisk() {
  const rings = distanceRings()
  const inner = rings.filter(([radius]) => radius < 0.999)
  const traces = [
    ringTrace(1, css('--faint'), 1.6, css('--wash')),
    ...inner.map(([radius]) => ringTrace(radius, css('--ring'), 1.2)),
    ...inked(classTraces).map(classTrace),
    chosenTrace(),
  ]
  const annotations = rings.map(([radius, distance]) => ({
    x: 0,
    y: -radius,
    text: String(distance),
    showarrow: false,
    font: {size: rem(0.68), color: css('--soft')},
    bgcolor: css('--wash'),
    borderpad: 1,
    opacity: 0.9,
  }))
  const layout = {
    ...themed(data.disk.layout),
    annotations,
    dragmode: 'zoom',
    hoverdistance: 14,
    uirevision: shown.scale,
    margin: {l: 4, r: 4, t: 4, b: 4},
  }
  for (const axis of ['xaxis', 'yaxis']) {
    layout[axis] = {...layout[axis], range: [-1.03, 1.03], automargin: false}
  }
  return Plotly.react('disk', traces, layout, {...plotConfig, scrollZoom: false})
}
function markChosen() {
  const {x, y} = chosenTrace()
  Plotly.restyle('disk', {x: [x], y: [y]}, [byId('disk').data.length - 1])
}

// Facts of a clip, beside its skeleton and beside the pointer
function verdict(i) {
  if (!data.correct) return []
  const right = data.correct[i]
  const taken = data.predicted && `taken for ${data.class_names[data.predicted[i]]}`
  const text = right ? '✓ recognised' : `✗ ${taken || 'not recognised'}`
  return [make('div', `verdict ${right ? 'good' : 'bad'}`, text)]
}
function classLine(i) {
  const name = make('span', '', data.class_names[data.labels[i]])
  return element('div', {className: 'class'}, classGlyph(data.labels[i], isWrong(i)), name)
}
const clipDistance = i => number(distanceAt(data.radius[i], data.c))
function showFacts(i) {
  const numbers = ['radius', data.radius[i].toFixed(3), 'distance', clipDistance(i)]
  const cells = numbers.map(text => make('span', '', text))
  const pinned = shown.pinned === i ? ' · pinned' : ''
  byId('clip-facts').replaceChildren(
    classLine(i),
    make('div', 'name', data.names[i] + pinned),
    element('div', {className: 'numbers'}, ...cells),
    ...verdict(i),
  )
}
function showTip(i, x, y) {
  const tip = byId('tooltip')
  const numbers = `radius ${data.radius[i].toFixed(3)} · distance ${clipDistance(i)}`
  const name = make('div', 'soft', data.names[i])
  tip.replaceChildren(classLine(i), make('div', '', numbers), name, ...verdict(i))
  tip.hidden = false
  const {offsetWidth: width, offsetHeight: height} = tip
  const fits = y + height + 24 <= innerHeight
  tip.style.left = `${Math.min(x + 16, innerWidth - width - 8)}px`
  tip.style.top = `${fits ? y + 16 : y - height - 12}px`
}

// Skeletons
let player = null
function choose(i) {
  shown.clip = i
  showFacts(i)
  player?.show(i)
  markChosen()
}
function play(playing) {
  player.play(playing)
  byId('play').textContent = playing ? '❚❚' : '▶'
  byId('play').setAttribute('aria-label', playing ? 'Pause' : 'Play')
}
async function openPlayer() {
  if (typeof DecompressionStream === 'undefined') {
    byId('clip-facts').textContent = 'This browser is too old to unpack the moving skeletons.'
    return
  }
  const pack = {...data.clips, bytes: await unpacked(data.clips.data)}
  const seek = byId('seek')
  player = skeletonPlayer(byId('skeleton'), pack, time => {
    seek.value = time
  })
  play(player.state.playing)
  byId('play').addEventListener('click', () => play(!player.state.playing))
  seek.addEventListener('input', () => {
    play(false)
    player.seek(Number(seek.value))
  })
}

// Classes: a legend that filters, with the spread of the radius and the accuracy of each class
const radiusRange = [quantile(clipRadii, 0.005), quantile(clipRadii, 0.995)]
if (radiusRange[1] - radiusRange[0] < 1e-6) radiusRange[1] = radiusRange[0] + 1e-6
function drawLegend() {
  const axis = make('span', 'axis')
  const ends = radiusRange.map(radius => radius.toFixed(2))
  axis.append(...[ends[0], 'radius', ends[1]].map(text => make('span', '', text)))
  const accuracy = make('span', '', data.correct ? 'accuracy' : '')
  const head = [make('span'), make('span'), make('span', '', 'clips'), axis, accuracy]
  byId('legend-head').replaceChildren(...head)
  const rows = data.class_names.map((_, label) => legendRow(label))
  byId('legend').replaceChildren(...rows.filter(Boolean))
  showPressed()
}
function legendRow(label) {
  const clips = [...data.labels.keys()].filter(i => data.labels[i] === label)
  if (!clips.length) return null
  const name = data.class_names[label]
  const radii = ascending(clips.map(i => data.radius[i]))
  const [low, middle, high] = [0.25, 0.5, 0.75].map(q => quantile(radii, q).toFixed(3))
  const right = data.correct
    ? percent(clips.filter(i => data.correct[i]).length / clips.length)
    : ''
  const row = element(
    'button',
    {type: 'button'},
    classGlyph(label),
    make('span', 'label', name),
    make('span', 'count', clips.length),
    element('span', {}, radiusSpread(radii, ink(data.styles[label][0]))),
    make('span', 'share', right),
  )
  row.dataset.label = label
  const spread = `radius ${middle} (middle half ${low} to ${high})`
  row.title = `${name}: ${spread}; double click: this class alone`
  row.addEventListener('click', () => {
    if (!hiddenLabels.delete(label)) hiddenLabels.add(label)
    refresh()
  })
  row.addEventListener('dblclick', () => {
    hideAll()
    hiddenLabels.delete(label)
    refresh()
  })
  row.addEventListener('pointerenter', () => {
    shown.bright = hiddenLabels.has(label) ? -1 : label
    drawSoon()
  })
  return row
}
// From the 5th to the 95th percentile, the middle half thick, the median a stroke
function radiusSpread(radii, colour) {
  const [lowest, highest] = radiusRange
  function at(q) {
    const share = (quantile(radii, q) - lowest) / (highest - lowest)
    return Math.max(0, Math.min(100, 100 * share))
  }
  const steady = {'vector-effect': 'non-scaling-stroke'}
  const bar = (from, to, width, opacity) =>
    svg('line', {
      ...{x1: at(from), x2: at(to), y1: 5, y2: 5, opacity},
      ...{stroke: colour, 'stroke-width': width, ...steady},
    })
  const median = {x1: at(0.5), x2: at(0.5), y1: 0, y2: 10, stroke: 'currentColor'}
  const box = svg('svg', {viewBox: '0 0 100 10', preserveAspectRatio: 'none', class: 'spread'})
  box.append(
    bar(0.05, 0.95, 1.5, 0.55),
    bar(0.25, 0.75, 6, 0.8),
    svg('line', {...median, 'stroke-width': 2, ...steady}),
  )
  return box
}
function hideAll() {
  for (const label of data.class_names.keys()) hiddenLabels.add(label)
}
function showPressed() {
  for (const row of byId('legend').children) {
    row.setAttribute('aria-pressed', !hiddenLabels.has(Number(row.dataset.label)))
  }
}
function refresh() {
  showPressed()
  if (hiddenLabels.has(shown.bright)) shown.bright = -1
  drawDisk()
}
let drawTimer = 0
function drawSoon() {
  clearTimeout(drawTimer)
  drawTimer = setTimeout(drawDisk, 40)
}
function onChoice(id, act) {
  byId(id).addEventListener('click', event => {
    const chosen = event.target.closest('button')
    if (!chosen) return
    for (const button of byId(id).children) button.setAttribute('aria-pressed', button === chosen)
    act(chosen.dataset.value)
  })
}

// Results
function drawTable() {
  const {heads, numeric, bars, rows} = data.table
  const names = heads.map((text, k) => make('th', numeric[k] && !bars[k] ? 'number' : '', text))
  byId('table').append(element('tr', {}, ...names))
  const column = k => rows.map(row => row[k] ?? -Infinity)
  const best = heads.map((_, k) => (bars[k] && rows.length > 1 ? Math.max(...column(k)) : NaN))
  for (const row of rows) {
    const cells = row.map((value, k) =>
      bars[k] && value !== null ? meterCell(value, best[k]) : plainCell(value, numeric[k]),
    )
    byId('table').append(element('tr', {}, ...cells))
  }
}
function plainCell(value, numeric) {
  const className = numeric ? 'number' : ''
  if (!numeric || value === null) return make('td', className, value ?? '–')
  const whole = Number.isInteger(value)
  return make('td', className, whole ? value.toLocaleString('en') : value.toPrecision(3))
}
function meterCell(value, best) {
  const fill = make('b')
  fill.style.width = `${Math.max(0, Math.min(100, value))}%`
  const text = make('span', '', value.toFixed(1))
  const meter = element('div', {className: 'meter'}, text, element('i', {}, fill))
  const className = value === best ? 'number barred best' : 'number barred'
  return element('td', {className}, meter)
}
function showFinding() {
  const {count: counts, accuracy} = data.bins
  if (counts.length < 2) return
  const bold = text => make('b', '', text)
  byId('finding').append(
    'The innermost ',
    bold(counts[0].toLocaleString('en')),
    ' clips are right in ',
    bold(percent(accuracy[0])),
    ' of cases, the outermost ',
    bold(counts.at(-1).toLocaleString('en')),
    ' in ',
    bold(percent(accuracy.at(-1))),
    '.',
  )
}
function showResults() {
  if (data.radius_figure) showFinding()
  else byId('radius-card').hidden = true
  if (!data.curves) byId('curves-card').hidden = true
  if (data.table) drawTable()
  for (const note of data.notes) byId('notes').append(make('p', '', note))
  if (data.table) return
  if (data.notes.length) byId('table-card').querySelector('h2').textContent = 'Notes'
  else byId('table-card').hidden = true
}
function drawFigures() {
  for (const [id, figure] of Object.entries({radius: data.radius_figure, curves: data.curves})) {
    if (!figure) continue
    const config = {...plotConfig, displayModeBar: false}
    Plotly.react(id, inked(figure.data), themed(figure.layout), config)
  }
}
function showCaption() {
  const {fidelity} = data
  const parts = ['Rings: hyperbolic distance from the middle']
  if (fidelity) parts.unshift(fidelity[0].toUpperCase() + fidelity.slice(1))
  if (data.correct) parts.push('hollow: not recognised')
  parts.push('click holds a clip, drag zooms, double click goes back')
  byId('caption').textContent = parts.join(' · ')
}

// Mouse, choices, night and day
function listen() {
  const disk = byId('disk')
  const pointed = event => event.points[0].customdata
  disk.on('plotly_hover', event => {
    const i = pointed(event)
    if (i === undefined) return
    showTip(i, event.event.clientX, event.event.clientY)
    if (shown.pinned < 0) choose(i)
  })
  disk.on('plotly_unhover', () => {
    byId('tooltip').hidden = true
  })
  disk.on('plotly_click', event => {
    const i = pointed(event)
    if (i === undefined) return
    shown.pinned = shown.pinned === i ? -1 : i
    choose(i)
  })
  byId('legend').addEventListener('pointerleave', () => {
    shown.bright = -1
    drawSoon()
  })
  onChoice('scale', scale => {
    shown.scale = scale
    drawDisk()
  })
  onChoice('which', which => {
    shown.which = which
    drawDisk()
  })
  onChoice('speed', speed => player?.speed(Number(speed)))
  byId('show-all').addEventListener('click', () => {
    hiddenLabels.clear()
    refresh()
  })
  byId('show-none').addEventListener('click', () => {
    hideAll()
    refresh()
  })
  night.addEventListener('change', () => {
    drawLegend()
    drawDisk()
    drawFigures()
    if (shown.clip >= 0) showFacts(shown.clip)
  })
}
// Something to look at from the start: the surest clip that is right and has somebody in it
function showpiece() {
  const penalty = i => (isWrong(i) ? 10 : 0) + (data.clips && !data.clips.bodies[i] ? 20 : 0)
  const surety = data.radius.map((radius, i) => radius - penalty(i))
  return surety.indexOf(Math.max(...surety))
}

showNumbers()
showResults()
showCaption()
if (!data.clips) byId('player').hidden = true
if (!data.correct) byId('which').hidden = true
drawLegend()
await drawDisk()
drawFigures()
listen()
if (data.clips) await openPlayer()
if (count) choose(showpiece())
document.documentElement.dataset.ready = 'yes'
