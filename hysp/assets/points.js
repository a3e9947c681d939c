// Points on the graphics card. Their places are worked out outside, in double precision, since
// picking needs them too; here they are drawn, each with a colour and a glyph from an atlas.

const diskMargin = 1.03 // the canvas shows this much of the plane

const vertexShader = `#version 300 es
  in vec2 place;
  in vec4 colour;
  in vec2 look;
  uniform float size;
  out vec4 ink;
  out float cell;
  void main() {
    ink = colour;
    cell = look.x;
    gl_Position = vec4(place * ${(1 / diskMargin).toFixed(6)}, 0., 1.);
    gl_PointSize = size * look.y * (.6 + .4 * (1. - dot(place, place)));
  }`

const fragmentShader = `#version 300 es
  precision mediump float;
  in vec4 ink;
  in float cell;
  uniform sampler2D atlas;
  out vec4 paint;
  void main() {
    vec2 corner = vec2(mod(cell, ${shapes.length}.), floor(cell / ${shapes.length}.));
    vec2 at = (corner + gl_PointCoord) / vec2(${shapes.length}., 2.);
    float cover = ink.a * texture(atlas, at).a;
    paint = vec4(ink.rgb * cover, cover);
  }`

function compiled(gl, type, text) {
  const shader = gl.createShader(type)
  gl.shaderSource(shader, text)
  gl.compileShader(shader)
  return shader
}

function linked(gl) {
  const program = gl.createProgram()
  gl.attachShader(program, compiled(gl, gl.VERTEX_SHADER, vertexShader))
  gl.attachShader(program, compiled(gl, gl.FRAGMENT_SHADER, fragmentShader))
  gl.linkProgram(program)
  gl.useProgram(program)
  return program
}

// All glyphs in two rows, filled above hollow
function drawAtlas() {
  const edge = 64
  const atlas = element('canvas', {width: edge * shapes.length, height: 2 * edge})
  const pen = atlas.getContext('2d')
  pen.fillStyle = '#fff'
  pen.strokeStyle = '#fff'
  for (const [column, shape] of shapes.entries()) {
    for (const hollow of [0, 1]) {
      const x = (column + 0.5) * edge
      const y = (hollow + 0.5) * edge
      traceGlyph(pen, shape, x, y, edge / 2 - 3, hollow)
    }
  }
  return atlas
}

function loadAtlas(gl) {
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture())
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, drawAtlas())
  gl.generateMipmap(gl.TEXTURE_2D)
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR)
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE)
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE)
}

function newBuffer(gl, program, name, width, type) {
  const buffer = gl.createBuffer()
  const at = gl.getAttribLocation(program, name)
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer)
  gl.enableVertexAttribArray(at)
  gl.vertexAttribPointer(at, width, type, type === gl.UNSIGNED_BYTE, 0, 0)
  return buffer
}

// The points of a canvas; null where the browser has no WebGL 2
function pointCloud(canvas) {
  const gl = canvas.getContext('webgl2', {premultipliedAlpha: true, antialias: false, alpha: true})
  if (!gl) return null
  const program = linked(gl)
  loadAtlas(gl)
  gl.enable(gl.BLEND)
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
  const buffers = {
    place: newBuffer(gl, program, 'place', 2, gl.FLOAT),
    colour: newBuffer(gl, program, 'colour', 4, gl.UNSIGNED_BYTE),
    look: newBuffer(gl, program, 'look', 2, gl.FLOAT),
  }
  const orderBuffer = gl.createBuffer()
  const size = gl.getUniformLocation(program, 'size')
  let count = 0
  return {
    // places (x, y), colours (red, green, blue, alpha) or looks (cell of the atlas, size)
    set(name, values) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name])
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW)
    },
    // which points are drawn, the last on top
    order(positions) {
      count = positions.length
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, orderBuffer)
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, positions, gl.DYNAMIC_DRAW)
    },
    draw(pixels) {
      gl.viewport(0, 0, canvas.width, canvas.height)
      gl.clearColor(0, 0, 0, 0)
      gl.clear(gl.COLOR_BUFFER_BIT)
      gl.uniform1f(size, pixels)
      if (count) gl.drawElements(gl.POINTS, count, gl.UNSIGNED_INT, 0)
    },
    close() {
      gl.getExtension('WEBGL_lose_context')?.loseContext()
    },
  }
}
