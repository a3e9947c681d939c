// What is selected: counted, copied, downloaded, written as a dataset folder
const tooLarge = 'The address of this page does not keep so large a selection; its CSV does.'
function selectionPanel(model, act) {
  const tally = element('div', {className: 'tally', 'aria-live': 'polite'})
  const message = element('p', {className: 'said', role: 'status'})

  function draw() {
    const selection = model.selection
    const undo = button('undo', 'take back the last selection or tag (u)', act.undo)
    const past = model.past.length ? [undo] : []
    message.textContent = keepsSelection(model) ? '' : tooLarge
    if (selection.length) {
      const folder = model.offered.kernel ? [subsetRow(selection)] : []
      tally.replaceChildren(summary(model, selection), actions(selection, past), ...folder, message)
      return
    }
    const positions = [...model.run.names.keys()]
    const shown = positions.filter(i => model.visible(i)).length.toLocaleString('en')
    const advice =
      ` of ${model.count.toLocaleString('en')} clips shown. ` +
      'Draw a lasso on the disk, or drag over the histogram, to select some.'
    const sentence = element('p', {}, element('b', {textContent: shown}), advice)
    tally.replaceChildren(sentence, element('div', {className: 'buttons'}, ...past))
  }
  function actions(selection, past) {
    const names = selection.map(i => model.run.names[i]).join('\n')
    async function copy() {
      try {
        await navigator.clipboard.writeText(names)
        message.textContent = `${selection.length} names copied`
      } catch {
        download('names.txt', `${names}\n`)
      }
    }
    return element(
      'div',
      {className: 'buttons'},
      button('names', 'copy the names', copy),
      button('CSV', 'download a table of the selected clips', () =>
        download('selected.csv', csvTable(model, selection)),
      ),
      button('clear', 'select nothing', () => act.select(null)),
      ...past,
    )
  }
  function subsetRow(selection) {
    const label = 'folder for the subset'
    const folder = element('input', {type: 'text', placeholder: label, 'aria-label': label})
    async function write() {
      const asked = {run: model.where.run, index: selection, path: folder.value}
      message.textContent = 'writing …'
      try {
        message.textContent = (await model.source.ask('subset', asked)).message
      } catch (error) {
        message.textContent = error.message
      }
    }
    const title = 'write a dataset folder that shows the selected clips alone'
    return element('div', {className: 'buttons'}, folder, button('subset', title, write))
  }
  return {element: element('section', {className: 'chosen'}, tally), draw}
}
function summary(model, selection) {
  const {run, view} = model
  const counts = new Map()
  for (const i of selection) counts.set(run.labels[i], (counts.get(run.labels[i]) ?? 0) + 1)
  const frequent = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 4)
  const classes = frequent.map(([label, count]) => `${run.class_names[label]} ${count}`)
  if (counts.size > 4) classes.push('…')
  const share = selection.filter(i => model.right(i)).length / selection.length
  const right = view.predicted ? `, ${percent(share)} right` : ''
  const middle = number(median(selection.map(i => view.distance[i])))
  const text = ` selected, median distance ${middle}${right}: ${classes.join(', ')}`
  const count = element('b', {textContent: selection.length.toLocaleString('en')})
  return element('p', {}, count, text)
}
function csvTable(model, selection) {
  const {run, view} = model
  const columns = Object.keys(run.columns)
  const head = ['name', 'class', 'distance', 'norm', ...columns, 'tags']
  const rows = selection.map(i => {
    const known = columns.map(name => run.columns[name][i])
    const distance = view.distance[i]
    return [
      run.names[i],
      model.className(i),
      distance,
      radiusAt(distance, run.c),
      ...known,
      model.tagsOf(i).join('; '),
    ]
  })
  if (view.predicted) {
    head.splice(2, 0, 'predicted')
    for (const [k, i] of selection.entries()) {
      rows[k].splice(2, 0, run.class_names[view.predicted[i]])
    }
  }
  return csvText([head, ...rows])
}
const csvText = rows => rows.map(row => `${row.map(quoted).join(',')}\n`).join('')
// Text that looks like a formula is written so that no spreadsheet runs it
function quoted(value) {
  if (value === null) return ''
  if (isNumber(value)) return value
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
