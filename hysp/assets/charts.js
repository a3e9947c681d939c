// Charts as SVG: as large as the place they stand in, in the colours of the page

// A chart fills its host, and is painted anew where that changes its size; or when it is asked to be
function chart(host, label, paint) {
  const box = svg('svg', {role: 'img', 'aria-label': label})
  host.replaceChildren(box)
  function draw() {
    const {clientWidth: width, clientHeight: height} = host
    if (!width) return
    box.setAttribute('viewBox', `0 0 ${width} ${height}`)
    box.replaceChildren(...paint(width, height, parseFloat(getComputedStyle(host).fontSize)))
  }
  new ResizeObserver(draw).observe(host)
  return draw
}

// Parts of a chart
const rule = (x1, y1, x2, y2, name) => svg('line', {x1, y1, x2, y2, class: name})
function label(x, y, textContent, anchor = 'middle', turn = 0) {
  const turned = turn ? {transform: `rotate(${turn} ${x} ${y})`} : {}
  const made = svg('text', {x, y, 'text-anchor': anchor, ...turned})
  made.textContent = textContent
  return made
}
// A line through places, with a gap where there is none
function curve(places, name) {
  let pen = 'M'
  let d = ''
  for (const place of places) {
    if (place) d += `${pen}${place.map(value => value.toFixed(1)).join(' ')}`
    pen = place ? 'L' : 'M'
  }
  return svg('path', {d, class: name})
}

// Round numbers between two ends, about as many as asked for
function roundNumbers([low, high], count) {
  const rough = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * 0.999)
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  return times(last - first + 1).map(k => Number(((first + k) * step).toPrecision(12)))
}
// Powers of ten between two ends, so many at most
function powersOfTen([low, high], count) {
  const first = Math.ceil(Math.log10(low) - 1e-9)
  const last = Math.floor(Math.log10(high) + 1e-9)
  const powers = times(Math.max(0, last - first + 1)).map(k => 10 ** (first + k))
  const every = Math.ceil(powers.length / count)
  return powers.reverse().filter((_, k) => k % every === 0)
}
const asPower = value => value.toExponential(0).replace('+', '')
const readable = value =>
  Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : Number(value.toPrecision(3))

// From values to places
function scale([low, high], from, to, log = false) {
  const even = log ? Math.log10 : value => value
  const unit = (to - from) / (even(high) - even(low) || 1)
  return value => from + (even(value) - even(low)) * unit
}
// The ends of values, a little apart where they are equal
function ends(values, log = false) {
  const usable = values.filter(value => Number.isFinite(value) && (!log || value > 0))
  const low = Math.min(...usable)
  const high = Math.max(...usable)
  if (!usable.length) return log ? [0.1, 1] : [0, 1]
  if (log) return [low * 0.8, high * 1.25]
  const room = (high - low || Math.abs(high) || 1) * 0.06
  return [low - room, high + room]
}

// Where the pointer is, as a share of the width between two margins; null where it has gone
function followPointer(host, [left, right], tell) {
  function hear(event) {
    const box = host.getBoundingClientRect()
    const em = parseFloat(getComputedStyle(host).fontSize)
    const share = (event.clientX - box.left - left * em) / (box.width - (left + right) * em)
    tell(Math.max(0, Math.min(1, share)))
  }
  host.addEventListener('pointermove', hear)
  host.addEventListener('pointerdown', hear)
  host.addEventListener('pointerleave', () => tell(null))
}

// Lines across the chart with their values beside them
function grid(y, values, [left, right], em, write) {
  return values.flatMap(value => [
    rule(left, y(value), right, y(value), 'grid'),
    label(left - 0.5 * em, y(value) + 0.3 * em, write(value), 'end'),
  ])
}
function foot(x, values, below, em, name, [left, right]) {
  const numbers = values.map(value => label(x(value), below + 1.2 * em, value))
  return [...numbers, label((left + right) / 2, below + 2.5 * em, name)]
}

// Accuracy by distance: a line as wide as each bin, its interval, and in the back how many there are
function accuracyChart(host, found) {
  const {histogram, mean} = found
  const span = [histogram.edges[0], histogram.edges.at(-1)]
  const most = Math.max(...histogram.count)
  chart(host, 'accuracy by distance from the origin', (width, height, em) => {
    const across = [3.4 * em, width - em]
    const x = scale(span, ...across)
    const y = scale([0, 1], height - 3 * em, 0.8 * em)
    const bars = histogram.count.map((count, k) => {
      const left = x(histogram.edges[k])
      const right = x(histogram.edges[k + 1])
      const tall = (0.45 * (y(0) - y(1)) * count) / most
      const place = {x: left + 0.5, y: y(0) - tall, height: tall}
      return svg('rect', {...place, width: Math.max(0.5, right - left - 1), class: 'bar'})
    })
    const bins = found.accuracy.flatMap((share, k) => {
      const middle = x(found.distance[k])
      const [low, high] = found.interval[k].map(y)
      return [
        rule(x(found.low[k]), y(share), x(found.high[k]), y(share), 'bin'),
        rule(middle, low, middle, high, 'interval'),
        svg('circle', {cx: middle, cy: y(share), r: 0.28 * em, class: 'dot'}),
      ]
    })
    const numbers = roundNumbers(span, Math.min(8, width / 70))
    return [
      ...bars,
      ...grid(y, [0, 0.25, 0.5, 0.75, 1], across, em, share => percent(share)),
      rule(across[0], y(mean), across[1], y(mean), 'mean'),
      ...bins,
      ...foot(x, numbers, y(0), em, 'distance from the origin', across),
    ]
  })
}

// Curves of a training, a panel for each kind, over one another; `at` is where the pointer is
const shares = {loss: 2.2, rate: 0.9}
function curveChart(host, found, at) {
  const total = found.panels.reduce((sum, {title}) => sum + (shares[title] ?? 1.3), 0)
  const span = ends(found.x)
  return chart(host, `curves of the training by ${found.x_name}`, (width, height, em) => {
    const across = [4.6 * em, width - em]
    const x = scale(span, ...across)
    const gap = 0.9 * em
    const room = height - 3 * em - gap * found.panels.length
    const parts = []
    let top = 0
    for (const panel of found.panels) {
      top += gap
      const bottom = top + (room * (shares[panel.title] ?? 1.3)) / total
      if (found.weight && top === gap) parts.push(shade(found, x, bottom, top))
      parts.push(...curvePanel(panel, found.x, x, [bottom, top], across, em))
      top = bottom
    }
    const numbers = roundNumbers([found.x[0], found.x.at(-1)], Math.min(8, width / 70))
    const pointer = rule(x(found.x[at()]), gap, x(found.x[at()]), top, 'pointer')
    return [pointer, ...parts, ...foot(x, numbers, top, em, found.x_name, across)]
  })
}
function curvePanel(panel, steps, x, [bottom, top], across, em) {
  const all = panel.lines.flatMap(line => line.values).filter(value => value !== null)
  const span = ends(all, panel.log)
  const y = scale(span, bottom, top, panel.log)
  const count = Math.max(2, Math.round((bottom - top) / (2.5 * em)))
  const values = panel.log ? powersOfTen(span, count) : roundNumbers(span, count)
  const lines = panel.lines.map((line, k) => {
    const known = line.values.map(value => value !== null && (!panel.log || value > 0))
    const places = steps.map((step, i) => known[i] && [x(step), y(line.values[i])])
    return curve(places.filter(Boolean), `curve curve${k}`)
  })
  const name = label(0.9 * em, (bottom + top) / 2, panel.title, 'middle', -90)
  const write = panel.log ? asPower : value => value.toLocaleString('en')
  return [...grid(y, values, across, em, write), ...lines.reverse(), name]
}
// The weight of the curriculum, from 0 at the foot of the panel to 1 at its head
function shade(found, x, bottom, top) {
  const y = scale([0, 1], bottom, top)
  const places = found.x.map((step, i) => [x(step), y(found.weight[i] ?? 0)])
  const corners = [
    [x(found.x.at(-1)), bottom],
    [x(found.x[0]), bottom],
  ]
  return curve([...places, ...corners], 'shade')
}
