// What is known of a clip
function factSheet(model, i) {
  const {run, view} = model
  const numbers = [
    ['distance', number(view.distance[i])],
    ['norm', number(radiusAt(view.distance[i], run.c), 4)],
  ]
  for (const [name, values] of Object.entries(run.columns)) {
    numbers.push([wordFor(name), columnValue(values[i])])
  }
  const tags = model.tagsOf(i).join(', ')
  const sheet = [
    element('div', {className: 'class'}, model.glyph(i), textSpan(model.className(i))),
    element('div', {className: 'name', textContent: run.names[i]}),
    element('div', {className: 'numbers'}, ...numbers.flat().map(numberSpan)),
    ...(tags ? [element('div', {className: 'tags', textContent: tags})] : []),
  ]
  if (!view.predicted) return sheet
  const taken = `✗ taken for ${run.class_names[view.predicted[i]]}`
  const className = `verdict ${model.right(i) ? 'good' : 'bad'}`
  const textContent = model.right(i) ? '✓ recognised' : taken
  return [...sheet, element('div', {className, textContent})]
}

const numberSpan = text => element('span', {textContent: text, title: text})
function columnValue(value) {
  if (value === null || value === '' || value === -1) return 'not known'
  return isNumber(value) ? shortNumber(value) : value
}

// The same beside the pointer
function tipPanel() {
  const tip = element('div', {className: 'tip', role: 'tooltip', hidden: true})
  function hide() {
    tip.hidden = true
  }
  function show(i, event, model) {
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
    const {chosen: i} = model.now
    const {run} = model.where
    const slow = setTimeout(() => {
      absent.textContent = 'fetching the skeleton …'
    }, 400)
    const got = await fetchClips(model, [i])
    clearTimeout(slow)
    if (model.now.chosen !== i || model.where.run !== run) return
    const {pack} = got
    const where = model.offered.kernel ? 'at hand: the scene has no dataset' : 'on this page'
    model.box.dataset.clip = pack ? model.run.names[i] : ''
    absent.textContent = pack ? '' : (got.error ?? `No skeleton of this clip is ${where}.`)
    figure.hidden = !pack
    controls.element.hidden = !pack
    if (!pack) return
    if (!player) {
      player = skeletonPlayer(figure, pack, controls.showTime)
      play(player.state.playing)
    }
    player.load(pack)
    player.show(got.at[0])
  }
  function showNear() {
    const rows = model.near.map(({i, d}) => nearRow(model, act, i, d))
    list.replaceChildren(...rows)
  }
  const clip = element('section', {className: 'player'}, facts, absent, figure, controls.element)
  const title = heading('Nearest clips in the ball')
  const nearest = element('section', {className: 'nearest'}, title, list)
  return {
    element: clip,
    nearest,
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
  const name = textSpan(model.run.names[i], 'name')
  const far = textSpan(number(distance), 'count')
  const inside = [model.glyph(i), classLabel(model, i), name, far]
  return element('li', {}, clipButton(model, act, i, ...inside))
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
