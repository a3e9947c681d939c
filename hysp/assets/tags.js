// Tags of clips: some that are usual, and the user's own
const usualTags = ['mislabelled?', 'bad tracking']

// Tags of the selected clips, or of the chosen one where none is selected
function tagPanel(model, act) {
  const section = element('section', {className: 'tagging', role: 'group'})
  const title = heading('')
  const buttons = element('span')
  const more = element('span')
  const label = 'a tag of your own; Enter gives it'
  const own = element('input', {type: 'text', placeholder: 'own tag', title: label})
  own.setAttribute('aria-label', label)
  own.addEventListener('keydown', event => {
    const tag = own.value.trim()
    if (event.key !== 'Enter' || !tag) return
    own.value = ''
    act.tag(tag)
  })
  section.append(title, element('div', {className: 'buttons'}, buttons, own, more))

  function draw() {
    const clips = model.tagged()
    const count = clips.length
    const whom = count > 1 ? `the ${count.toLocaleString('en')} selected clips` : 'this clip'
    title.textContent = `Tag ${whom}`
    section.hidden = !count
    section.setAttribute('aria-label', `tags of ${whom}`)
    const known = [...new Set([...usualTags, ...Object.values(model.tags).flat()])]
    const save = () => download('tags.csv', tagTable(model.tags))
    const table = button('tags as CSV', 'download all tags as a table', save)
    const any = Object.keys(model.tags).length > 0
    buttons.replaceChildren(...known.map(tagButton))
    more.replaceChildren(...(any ? [table] : []))
  }
  function tagButton(tag) {
    const all = model.tagged().every(i => model.tagsOf(i).includes(tag))
    const made = button(tag, all ? 'takes the tag away' : 'gives the tag', () => act.tag(tag))
    made.setAttribute('aria-pressed', all)
    return made
  }
  return {element: section, draw}
}
function tagTable(tags) {
  const rows = Object.entries(tags).flatMap(([name, own]) => own.map(tag => [name, tag]))
  return csvText([['name', 'tag'], ...rows])
}
