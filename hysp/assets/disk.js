// Isometries of the Poincaré disk, z → (az + b)/(b̄z + ā) with |a|² − |b|² = 1,
// written as [Re a, Im a, Re b, Im b]. Points are pairs [x, y].

const identity = [1, 0, 0, 0]

// One isometry after another: `second` acts first
function after([a, b, c, d], [e, f, g, h]) {
  const product = [
    a * e - b * f + c * g + d * h,
    a * f + b * e + d * g - c * h,
    a * g - b * h + c * e + d * f,
    a * h + b * g + d * e - c * f,
  ]
  const norm = Math.sqrt(product[0] ** 2 + product[1] ** 2 - product[2] ** 2 - product[3] ** 2)
  return product.map(value => value / norm)
}

// Where an isometry takes the point (x, y)
function moved([a, b, c, d], x, y) {
  const p = a * x - b * y + c // numerator p + iq
  const q = a * y + b * x + d
  const r = c * x + d * y + a // denominator r + is
  const s = c * y - d * x - b
  const norm = r * r + s * s
  return [(p * r + q * s) / norm, (q * r - p * s) / norm]
}

const inverse = ([a, b, c, d]) => [a, -b, -c, -d]

// The translation that takes the point (x, y) to the middle
function toMiddle(x, y) {
  const r = Math.hypot(x, y)
  const shrink = Math.min(1, (1 - 1e-12) / (r || 1)) // a point on the rim goes as far as numbers go
  const a = 1 / Math.sqrt(1 - (shrink * r) ** 2)
  return [a, 0, -shrink * x * a, -shrink * y * a]
}

// The translation along the geodesic from `start` to `end` that takes one to the other
function carry(start, end) {
  const centred = toMiddle(...start)
  const back = inverse(toMiddle(...moved(centred, ...end)))
  return after(inverse(centred), after(back, centred))
}

// Hyperbolic circle about the image of (x, y): its centre and its radius on paper
function circle(isometry, x, y, distance) {
  const [u, v] = moved(isometry, x, y)
  const t = Math.tanh(distance / 2)
  const norm = 1 - t * t * (u * u + v * v)
  return [(u * (1 - t * t)) / norm, (v * (1 - t * t)) / norm, (t * (1 - u * u - v * v)) / norm]
}

// Points of the geodesic from `start` to `end`, in equal steps along its arc on paper
function segment([x, y], [u, v], steps = 40) {
  const angle = Math.atan2(x * v - y * u, 1 - x * u - y * v) // from the chord to the arc, at the start
  return Array.from({length: steps + 1}, (_, i) => {
    const share = i / steps
    const reach = angle ? Math.sin(share * angle) / Math.sin(angle) : share
    const turn = (1 - share) * angle
    const p = reach * Math.cos(turn)
    const q = reach * Math.sin(turn)
    return [x + (u - x) * p - (v - y) * q, y + (u - x) * q + (v - y) * p]
  })
}

// Hyperbolic distance from the origin at a radius of the ball of curvature −c, and the way back
function distanceAt(radius, c) {
  const root = Math.sqrt(c)
  return radius * root < 1 ? (2 / root) * Math.atanh(root * radius) : Infinity
}
const radiusAt = (distance, c) => Math.tanh((Math.sqrt(c) * distance) / 2) / Math.sqrt(c)

// Where points of the disk have their Fréchet mean: `places` holds their x and y in turn, and
// `members` says which are meant. The mean goes along the mean of the tangents that lead to them.
function frechetMean(places, members) {
  let mean = [0, 0]
  for (let step = 0; step < 30; step++) {
    const centred = toMiddle(...mean)
    let u = 0
    let v = 0
    for (const i of members) {
      const [x, y] = moved(centred, places[2 * i], places[2 * i + 1])
      const r = Math.hypot(x, y)
      const scale = r ? Math.atanh(Math.min(r, 1 - 1e-12)) / r : 0
      u += (scale * x) / members.length
      v += (scale * y) / members.length
    }
    const far = Math.hypot(u, v)
    const scale = far ? Math.tanh(far) / far : 0
    mean = moved(inverse(centred), scale * u, scale * v)
    if (far < 1e-6) break
  }
  return mean
}
