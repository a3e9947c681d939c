// Parts that several panels are made of

const plainButton = (textContent, onclick) =>
  element('button', {type: 'button', className: 'plain', textContent, onclick})
const button = (textContent, title, onclick) =>
  element('button', {type: 'button', textContent, title, onclick})
const heading = textContent => element('h3', {textContent})
const textSpan = (textContent, className = '') => element('span', {className, textContent})

// A button that stands for a clip: it is pointed at and chosen as the clip's point on the disk is
function clipButton(model, act, i, ...inside) {
  const given = {
    type: 'button',
    title: model.run.names[i],
    onclick: () => act.pick(i),
    onpointerenter: () => act.hover(i),
    onpointerleave: () => act.hover(-1),
  }
  return element('button', given, ...inside)
}
const classLabel = (model, i) => textSpan(model.className(i), 'label')

// Skeletons of clips, and which of them are whose; or why there are none
async function fetchClips(model, index) {
  const asked = {run: model.where.run, index}
  const got = await model.source.ask('clips', asked).catch(error => ({error: error.message}))
  if (got.pack) got.pack.bytes ??= await unpacked(got.pack.data)
  return got
}
