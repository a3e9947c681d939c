(async () => {
'use strict'
const D = JSON.parse(document.getElementById('data').textContent), $ = id => document.getElementById(id)
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize)
const make = (tag, cls, text) => { const o = document.createElement(tag); if (cls) o.className = cls; if (text !== undefined) o.textContent = text; return o }
const percent = (x, n = 0) => (100 * x).toFixed(n) + ' %'
const n = D.labels.length, K = D.class_names.length, root = Math.sqrt(D.c)
const distance = r => r * root < 1 ? 2 / root * Math.atanh(root * r) : Infinity

// Glyphs: the shapes of the disk as SVG, drawn with text and attributes only
const polygon = (k, turn, inner) => Array.from({length: inner ? 2 * k : k}, (_, i) => {
  const a = turn + 2 * Math.PI * i / (inner ? 2 * k : k), r = inner && i % 2 ? inner : 5.4
  return `${6 + r * Math.sin(a)},${6 - r * Math.cos(a)}`
}).join(' ')
const cross = 'M4 1h4v3h3v4h-3v3h-4v-3h-3v-4h3z'
const outline = {diamond: polygon(4, 0), square: polygon(4, Math.PI / 4), pentagon: polygon(5, 0), hexagon: polygon(6, 0), star: polygon(5, 0, 2.3),
  'triangle-up': polygon(3, 0), 'triangle-down': polygon(3, Math.PI), 'triangle-left': polygon(3, -Math.PI / 2), 'triangle-right': polygon(3, Math.PI / 2)}
const svg = (tag, attributes) => { const o = document.createElementNS('http://www.w3.org/2000/svg', tag); for (const k in attributes) o.setAttribute(k, attributes[k]); return o }
function glyph(k, hollow) {
  const [colour, shape] = [lift(D.styles[k][0]), D.styles[k][1]], box = svg('svg', {viewBox: '0 0 12 12', class: 'glyph', 'aria-hidden': 'true'})
  const paint = hollow ? {fill: 'none', stroke: colour, 'stroke-width': 1.6} : {fill: colour}
  if (outline[shape]) box.append(svg('polygon', {points: outline[shape], ...paint}))
  else if (shape === 'cross' || shape === 'x') box.append(svg('path', {d: cross, transform: shape === 'x' ? 'rotate(45 6 6)' : '', ...paint}))
  else box.append(svg('circle', {cx: 6, cy: 6, r: 4.8, ...paint}))
  return box
}

// Numbers at the top
const sorted = a => [...a].sort((x, y) => x - y), quantile = (s, q) => s.length ? s[Math.round(q * (s.length - 1))] : NaN
const facts = {clips: n.toLocaleString('en'), classes: new Set(D.labels).size, 'median radius': quantile(sorted(D.radius), .5).toFixed(3)}
if (D.correct) facts['accuracy'] = percent(D.correct.filter(Boolean).length / n, 1)
for (const [k, v] of Object.entries({...facts, ...D.facts})) { const o = make('div'); o.append(make('dt', '', k), make('dd', '', v)); $('facts').append(o) }
if (!$('subtitle').textContent) $('subtitle').hidden = true

// Theme: figures come without colours of the page; on black the class colours are lifted a little
const dark = matchMedia('(prefers-color-scheme: dark)')
const lift = colour => dark.matches && /^#[0-9a-f]{6}$/i.test(colour) ? '#' + [1, 3, 5].map(i => Math.round(.83 * parseInt(colour.slice(i, i + 2), 16) + .17 * 255).toString(16).padStart(2, '0')).join('') : colour
const lifted = data => data.map(o => ({...o, ...(o.line && {line: {...o.line, color: lift(o.line.color)}}), ...(o.marker && {marker: {...o.marker, color: lift(o.marker.color)}})}))
const config = {responsive: true, displaylogo: false, displayModeBar: 'hover', modeBarButtons: [['zoom2d', 'pan2d', 'zoomIn2d', 'zoomOut2d', 'resetScale2d']]}
function themed(layout) {
  const out = {...layout, autosize: true, modebar: {bgcolor: 'rgba(0,0,0,0)', color: css('--faint'), activecolor: css('--ink')}, font: {family: css('--sans'), size: .8 * rem(), color: css('--soft')}, hoverlabel: {bgcolor: css('--card'), bordercolor: css('--line'), font: {family: css('--sans'), color: css('--ink'), size: .82 * rem()}}}
  delete out.height
  for (const k in out) if (/^[xy]axis\d*$/.test(k)) out[k] = {...out[k], gridcolor: css('--line'), linecolor: css('--line'), zeroline: false, automargin: true, ...(out[k].title && {title: {standoff: 8, ...out[k].title, font: {size: .8 * rem(), color: css('--soft')}}})}
  return out
}

// The disk
const gl = (() => { try { return !!document.createElement('canvas').getContext('webgl') } catch { return false } })()
const hidden = new Set(), state = {scale: 'poincare', which: 'all', pinned: -1, shown: -1, bright: -1}
const base = D.disk.data.filter(o => o.meta.role === 'class'), where = new Array(n)
base.forEach(o => o.customdata.forEach((i, k) => { where[i] = [o.x[k], o.y[k]] }))
const far = Math.max(1, Math.ceil(Math.max(0, ...where.map(p => distance(Math.hypot(...p) / root)).filter(isFinite)) - 1e-6))
const rings = () => {
  if (state.scale === 'poincare') return [1, 2, 3, 4].map(d => [Math.tanh(root * d / 2), d])
  const by = Math.ceil(far / 5), out = []
  for (let d = far; d > 0; d -= by) out.unshift([d / far, d])
  return out
}
const spot = i => {
  const [x, y] = where[i], r = Math.hypot(x, y)
  if (state.scale === 'poincare' || !r) return [x, y]
  const k = Math.min(distance(r / root), far) / far / r
  return [k * x, k * y]
}
const circle = Array.from({length: 181}, (_, i) => [Math.cos(2 * Math.PI * i / 180), Math.sin(2 * Math.PI * i / 180)])
const round = (r, colour, width, fill) => ({type: 'scatter', mode: 'lines', hoverinfo: 'skip', showlegend: false, x: circle.map(p => r * p[0]), y: circle.map(p => r * p[1]), line: {color: colour, width}, ...(fill && {fill: 'toself', fillcolor: fill})})
function chosen() {
  const i = state.pinned >= 0 ? state.pinned : state.shown, p = i >= 0 && !hidden.has(D.labels[i]) ? spot(i) : [null, null]
  return {type: gl ? 'scattergl' : 'scatter', mode: 'markers', hoverinfo: 'skip', showlegend: false, meta: {role: 'chosen'}, x: [p[0]], y: [p[1]],
    marker: {symbol: 'circle-open', size: 1.25 * rem(), color: css('--ink'), line: {width: 2, color: css('--ink')}}}
}
function drawDisk() {
  const size = Math.max(.36, Math.min(.62, 14 / Math.sqrt(n))) * rem()
  const traces = lifted(base).map(o => {
    const i = o.customdata, p = i.map(spot), dim = state.bright >= 0 && state.bright !== o.meta.label
    const seen = i.map(j => (state.which === 'all' || !D.correct || !D.correct[j] ? .92 : .05) * (dim ? .1 : 1))
    return {...o, type: gl ? 'scattergl' : 'scatter', visible: !hidden.has(o.meta.label), showlegend: false, hovertemplate: undefined, text: undefined, hoverinfo: 'none',
      x: p.map(q => q[0]), y: p.map(q => q[1]), marker: {...o.marker, size, opacity: seen, line: {width: o.marker.symbol.map(s => s.endsWith('-open') ? 1.7 : .6), color: o.marker.symbol.map(s => s.endsWith('-open') ? o.marker.color : css('--edge'))}}}
  })
  const lines = rings()
  const frame = [round(1, css('--faint'), 1.6, css('--wash')), ...lines.filter(([r]) => r < .999).map(([r]) => round(r, css('--ring'), 1.2))]
  const labels = lines.map(([r, d]) => ({x: 0, y: -r, text: String(d), showarrow: false, font: {size: .68 * rem(), color: css('--soft')}, bgcolor: css('--wash'), borderpad: 1, opacity: .9}))
  const layout = {...themed(D.disk.layout), annotations: labels, dragmode: 'zoom', hoverdistance: 14, uirevision: state.scale, margin: {l: 4, r: 4, t: 4, b: 4}}
  for (const k of ['xaxis', 'yaxis']) layout[k] = {...layout[k], range: [-1.03, 1.03], automargin: false}
  return Plotly.react('disk', [...frame, ...traces, chosen()], layout, {...config, scrollZoom: false})
}
const mark = () => { const o = chosen(); Plotly.restyle('disk', {x: [o.x], y: [o.y]}, [$('disk').data.length - 1]) }

// Clip facts, tooltip
function verdict(i) {
  if (!D.correct) return null
  const taken = D.predicted && !D.correct[i] ? `taken for ${D.class_names[D.predicted[i]]}` : D.correct[i] ? 'recognised' : 'not recognised'
  return make('div', 'verdict ' + (D.correct[i] ? 'good' : 'bad'), (D.correct[i] ? '✓ ' : '✗ ') + taken)
}
const heading = i => { const o = make('div', 'class'); o.append(glyph(D.labels[i], D.correct && !D.correct[i]), make('span', '', D.class_names[D.labels[i]])); return o }
const far_off = r => { const d = distance(r); return isFinite(d) ? d.toFixed(2) : '∞' }
function showFacts(i) {
  const box = make('div', 'numbers')
  for (const [k, v] of [['radius', D.radius[i].toFixed(3)], ['distance', far_off(D.radius[i])]]) box.append(make('span', '', k), make('span', '', v))
  $('clip-facts').replaceChildren(heading(i), make('div', 'name', D.names[i] + (state.pinned === i ? ' · pinned' : '')), box, ...[verdict(i)].filter(Boolean))
}
function showTip(i, x, y) {
  const tip = $('tooltip')
  tip.replaceChildren(heading(i), make('div', '', `radius ${D.radius[i].toFixed(3)} · distance ${far_off(D.radius[i])}`), make('div', 'soft', D.names[i]), ...[verdict(i)].filter(Boolean))
  tip.hidden = false
  const w = tip.offsetWidth, h = tip.offsetHeight
  tip.style.left = Math.min(x + 16, innerWidth - w - 8) + 'px'; tip.style.top = (y + h + 24 > innerHeight ? y - h - 12 : y + 16) + 'px'
}

// Skeletons
let player = null
async function unpack() {
  const raw = Uint8Array.from(atob(D.clips.data), o => o.charCodeAt(0))
  return new Response(new Blob([raw]).stream().pipeThrough(new DecompressionStream('deflate'))).arrayBuffer()
}
function choose(i) {
  state.shown = i; showFacts(i); if (player) player.show(i); mark()
}

// Classes: a legend that filters, with the spread of the radius and the accuracy of each class
const range = [quantile(sorted(D.radius), .005), quantile(sorted(D.radius), .995)]
if (range[1] - range[0] < 1e-6) range[1] = range[0] + 1e-6
function drawLegend() {
  const head = ['', '', 'clips', '', D.correct ? 'accuracy' : ''].map(o => make('span', '', o)), axis = head[3]
  axis.className = 'axis'; axis.append(make('span', '', range[0].toFixed(2)), make('span', '', 'radius'), make('span', '', range[1].toFixed(2)))
  $('legend-head').replaceChildren(...head)
  for (let k = 0; k < K; k++) {
    const i = D.labels.map((l, j) => l === k ? j : -1).filter(j => j >= 0)
    if (!i.length) continue
    const row = make('button'), r = sorted(i.map(j => D.radius[j])), at = q => Math.max(0, Math.min(100, 100 * (quantile(r, q) - range[0]) / (range[1] - range[0])))
    const spread = svg('svg', {viewBox: '0 0 100 10', preserveAspectRatio: 'none', class: 'spread'})
    const bar = (a, b, width, alpha) => svg('line', {x1: at(a), x2: at(b), y1: 5, y2: 5, stroke: lift(D.styles[k][0]), 'stroke-width': width, opacity: alpha, 'vector-effect': 'non-scaling-stroke'})
    const middle = svg('line', {x1: at(.5), x2: at(.5), y1: 0, y2: 10, stroke: 'currentColor', 'stroke-width': 2, 'vector-effect': 'non-scaling-stroke'})
    spread.append(bar(.05, .95, 1.5, .55), bar(.25, .75, 6, .8), middle)
    row.type = 'button'; row.dataset.label = k; row.title = `${D.class_names[k]}: radius ${quantile(r, .5).toFixed(3)} (middle half ${quantile(r, .25).toFixed(3)} to ${quantile(r, .75).toFixed(3)}); double click: this class alone`
    const cells = [glyph(k), make('span', 'label', D.class_names[k]), make('span', 'count', i.length), make('span'), make('span', 'share', D.correct ? percent(i.filter(j => D.correct[j]).length / i.length) : '')]
    cells[3].append(spread); row.append(...cells); $('legend').append(row)
    row.addEventListener('click', () => { hidden.has(k) ? hidden.delete(k) : hidden.add(k); refresh() })
    row.addEventListener('dblclick', () => { for (let o = 0; o < K; o++) o === k ? hidden.delete(o) : hidden.add(o); refresh() })
    row.addEventListener('pointerenter', () => { state.bright = hidden.has(k) ? -1 : k; later() })
  }
  refresh(false)
}
function refresh(disk = true) {
  for (const o of $('legend').children) o.setAttribute('aria-pressed', !hidden.has(+o.dataset.label))
  if (disk) { if (hidden.has(state.bright)) state.bright = -1; drawDisk() }
}
let soon = 0
const later = () => { clearTimeout(soon); soon = setTimeout(drawDisk, 40) }
const choice = (id, act) => $(id).addEventListener('click', e => {
  const b = e.target.closest('button')
  if (!b) return
  for (const o of $(id).children) o.setAttribute('aria-pressed', o === b)
  act(b.dataset.value)
})

// Results
function drawTable() {
  const {heads, numeric, bars, rows} = D.table, head = make('tr')
  heads.forEach((h, j) => head.append(make('th', numeric[j] && !bars[j] ? 'number' : '', h)))
  $('table').append(head)
  const best = heads.map((_, j) => bars[j] ? Math.max(...rows.map(r => r[j] ?? -Infinity)) : NaN)
  for (const r of rows) {
    const line = make('tr')
    r.forEach((v, j) => {
      const cell = make('td', numeric[j] ? 'number' : '', !numeric[j] || v === null ? v ?? '–' : bars[j] ? undefined : Number.isInteger(v) ? v.toLocaleString('en') : v.toPrecision(3))
      if (bars[j] && v !== null) {
        const meter = make('div', 'meter'), track = make('i'), fill = make('b')
        fill.style.width = Math.max(0, Math.min(100, v)) + '%'; track.append(fill); meter.append(make('span', '', v.toFixed(1)), track)
        cell.classList.add('barred'); cell.textContent = ''; cell.append(meter)
        if (v === best[j] && rows.length > 1) cell.classList.add('best')
      }
      line.append(cell)
    })
    $('table').append(line)
  }
}
function drawFigures() {
  for (const [id, f] of [['radius', D.radius_figure], ['curves', D.curves]]) if (f) Plotly.react(id, lifted(f.data), themed(f.layout), {...config, displayModeBar: false})
}

// All together
if (!D.radius_figure) $('radius-card').hidden = true
else {
  const b = D.bins, m = b.count.length
  if (m > 1) {
    $('finding').append('The innermost ', make('b', '', b.count[0].toLocaleString('en')), ' clips are right in ', make('b', '', percent(b.accuracy[0])), ' of cases, the outermost ',
      make('b', '', b.count[m - 1].toLocaleString('en')), ' in ', make('b', '', percent(b.accuracy[m - 1])), '.')
  }
}
if (!D.curves) $('curves-card').hidden = true
if (D.table) drawTable()
for (const o of D.notes) $('notes').append(make('p', '', o))
if (!D.table && !D.notes.length) $('table-card').hidden = true
else if (!D.table) $('table-card').querySelector('h2').textContent = 'Notes'
if (!D.clips) $('player').hidden = true
if (!D.correct) $('which').hidden = true
$('caption').textContent = [...(D.fidelity ? [D.fidelity[0].toUpperCase()+D.fidelity.slice(1)] : []), 'Rings: hyperbolic distance from the middle', ...(D.correct ? ['hollow: not recognised'] : []), 'click holds a clip, drag zooms, double click goes back'].join(' · ')
drawLegend(); await drawDisk(); drawFigures()

$('disk').on('plotly_hover', e => {
  const i = e.points[0].customdata
  if (i === undefined) return
  showTip(i, e.event.clientX, e.event.clientY)
  if (state.pinned < 0) choose(i)
})
$('disk').on('plotly_unhover', () => { $('tooltip').hidden = true })
$('disk').on('plotly_click', e => { const i = e.points[0].customdata; if (i !== undefined) { state.pinned = state.pinned === i ? -1 : i; choose(i) } })
$('legend').addEventListener('pointerleave', () => { state.bright = -1; later() })
choice('scale', v => { state.scale = v; drawDisk() })
choice('which', v => { state.which = v; drawDisk() })
choice('speed', v => player && player.speed(+v))
$('show-all').addEventListener('click', () => { hidden.clear(); refresh() })
$('show-none').addEventListener('click', () => { for (let k = 0; k < K; k++) hidden.add(k); refresh() })
dark.addEventListener('change', () => { $('legend').replaceChildren(); drawLegend(); drawDisk(); drawFigures(); if (state.shown >= 0) showFacts(state.shown) })

if (D.clips) {
  if (typeof DecompressionStream === 'undefined') $('clip-facts').textContent = 'This browser is too old to unpack the moving skeletons.'
  else {
    player = skeletonPlayer($('skeleton'), D.clips, await unpack(), t => { $('seek').value = t })
    const play = on => { player.play(on); $('play').textContent = on ? '❚❚' : '▶'; $('play').setAttribute('aria-label', on ? 'Pause' : 'Play') }
    play(player.state.playing)
    $('play').addEventListener('click', () => play(!player.state.playing))
    $('seek').addEventListener('input', () => { play(false); player.seek(+$('seek').value) })
  }
}
// Something to look at from the start: the surest clip that is right and has somebody in it
const first = D.radius.map((r, i) => [r + (D.correct && !D.correct[i] ? -10 : 0) + (D.clips && !D.clips.bodies[i] ? -20 : 0), i]).sort((a, b) => b[0] - a[0])[0]
if (first) choose(first[1])
document.documentElement.dataset.ready = 'yes'
})()
