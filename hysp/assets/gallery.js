// The selected clips as a grid of moving skeletons
const galleryPage = 24 // clips at a time
const galleryPause = 40 // milliseconds between two pictures

function galleryPanel(model, act) {
  const cells = element('div', {className: 'cells'})
  const title = heading('')
  const note = element('p', {className: 'said', role: 'status'})
  const before = button('‹', 'the clips before', () => turnTo(start - galleryPage))
  const after = button('›', 'the clips after', () => turnTo(start + galleryPage))
  const head = element('div', {className: 'head'}, title, before, after)
  const section = element('section', {className: 'gallery', hidden: true}, head, cells, note)
  const show = skeletonShow(section)
  let moving = [] // selected clips that have a skeleton
  let start = 0 // of the page, among them
  let ticket = 0 // of the newest page that was asked for

  function open() {
    const {selection} = model
    moving = selection.filter(i => model.plays(i))
    const few = moving.length < selection.length
    note.textContent = few ? `Skeletons of ${moving.length} of them are on this page.` : ''
    section.hidden = !selection.length
    return turnTo(0)
  }
  async function turnTo(position) {
    ticket++
    const mine = ticket
    start = position
    const index = moving.slice(start, start + galleryPage)
    before.hidden = start === 0
    after.hidden = start + galleryPage >= moving.length
    const last = start + index.length
    const part = index.length < moving.length ? `, ${start + 1} to ${last}` : ''
    title.textContent = `${model.selection.length.toLocaleString('en')} selected clips${part}`
    if (!index.length) return show.open([])
    const got = await fetchClips(model, index)
    if (mine !== ticket) return
    if (!got.pack) {
      note.textContent = got.error ?? 'The scene has no dataset, so there are no skeletons.'
      cells.replaceChildren()
      return show.open([])
    }
    fill(index, new Clips(got.pack), got.at)
  }
  function fill(index, clips, at) {
    const made = index.map(i => cell(i))
    cells.replaceChildren(...made)
    show.open(
      made.map((each, k) => ({canvas: each.firstChild, clips, bodies: clips.bodies(at[k])})),
    )
    mark()
  }
  function cell(i) {
    const canvas = element('canvas', {role: 'img'})
    canvas.setAttribute('aria-label', `moving skeleton of ${model.run.names[i]}`)
    const under = element('span', {}, model.glyph(i), classLabel(model, i))
    const made = clipButton(model, act, i, canvas, under)
    made.dataset.clip = i
    return made
  }
  // Which of them is the chosen clip
  function mark() {
    for (const each of cells.children) {
      each.setAttribute('aria-pressed', Number(each.dataset.clip) === model.now.chosen)
    }
  }
  return {element: section, open, mark, dress: show.dress, close: show.close}
}

// Skeletons that move in step as long as they can be seen; still where motion is unwelcome
function skeletonShow(section) {
  const calm = wantsCalm()
  let shown = [] // {canvas, clips, bodies}
  let colours = []
  let frame = 0
  let last = 0
  let seen = false
  const watcher = new IntersectionObserver(([entry]) => {
    seen = entry.isIntersecting
    run()
  })
  watcher.observe(section)

  function run() {
    cancelAnimationFrame(frame)
    if (seen && shown.length) frame = requestAnimationFrame(tick)
  }
  function tick(now) {
    if (!calm) frame = requestAnimationFrame(tick)
    if (now - last < galleryPause) return
    last = now
    const share = calm ? 0.4 : (now / 2600) % 1
    for (const {canvas, clips, bodies} of shown) {
      if (bodies.length) paintClip(canvas, clips, bodies, share, 0, colours)
    }
  }
  function dress() {
    colours = skeletonColours(section)
    run()
  }
  return {
    open(next) {
      shown = next
      dress()
    },
    dress,
    close() {
      cancelAnimationFrame(frame)
      watcher.disconnect()
    },
  }
}
