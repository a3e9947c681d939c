// Search in titles, headings and definitions, and what folds on a narrow window. The index is a
// script, `sitePages`: a page that lies in a folder may load scripts, but not read other files.
const byId = id => document.getElementById(id)
const up = document.documentElement.dataset.up
const mostShown = 40

// Places that hold all words, as [address, words shown, page]: those that begin with the query first
function placesOf(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  const all = text => words.every(word => text.toLowerCase().includes(word))
  const places = []
  for (const [address, title, subtitle, parts] of sitePages) {
    if (all(`${title} ${subtitle} ${address}`)) places.push([address, title, subtitle])
    for (const [anchor, text] of parts) {
      if (all(text)) places.push([`${address}#${anchor}`, text, title])
    }
  }
  const begins = ([, text]) => text.toLowerCase().startsWith(words[0])
  return words.length ? [...places.filter(begins), ...places.filter(place => !begins(place))] : []
}

function linkTo([address, text, page]) {
  const link = document.createElement('a')
  const small = document.createElement('small')
  link.href = up + address
  small.textContent = page
  link.append(text, small)
  return link
}

function search() {
  const query = byId('query').value.trim()
  const places = placesOf(query)
  const more = places.length > mostShown ? `, the first ${mostShown} here` : ''
  byId('found').replaceChildren(...places.slice(0, mostShown).map(linkTo))
  byId('count').textContent = query && `${places.length || 'no'} places${more}`
  document.body.classList.toggle('searching', query !== '')
}

function clear() {
  byId('query').value = ''
  search()
}

byId('query').addEventListener('input', search)
byId('query').addEventListener('keydown', event => {
  if (event.key === 'Escape') clear()
  if (event.key === 'Enter') byId('found').querySelector('a')?.click()
})
byId('found').addEventListener('click', () => fold(false))
document.addEventListener('keydown', event => {
  if (event.key !== '/' || /INPUT|TEXTAREA/.test(event.target.tagName)) return
  event.preventDefault()
  byId('query').focus()
})

function fold(open) {
  byId('fold').setAttribute('aria-expanded', open)
  if (!open) clear()
}
byId('fold').addEventListener('click', () => {
  fold(byId('fold').getAttribute('aria-expanded') !== 'true')
})

// The contents stand open where they have a column of their own
const contents = document.querySelector('.contents')
const wide = matchMedia('(min-width: 80rem)')
const showContents = () => {
  contents.open = wide.matches
}
wide.addEventListener('change', showContents)
showContents()
document.querySelector('.pages .here')?.scrollIntoView({block: 'nearest'})
