'use strict'
// A line chart as SVG, readable on light and dark pages: data in, text out.

const WIDTH = 720
const HEIGHT = 424
const FRAME = { left: 74, right: 182, top: 72, bottom: 74 } // the right margin holds the lines' names
const PLOT = { width: WIDTH - FRAME.left - FRAME.right, height: HEIGHT - FRAME.top - FRAME.bottom }

// Each colour twice, for light and for dark pages; apart in lightness as well, for those who see no hue.
const COLOURS = [
  ['#0b6e4f', '#4fd1a5'],
  ['#2458b3', '#8ab4ff'],
  ['#b3541e', '#ffb37a'],
]

const quote = (text) =>
  String(text).replace(/[&<>"]/g, (one) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[one])

/** One colour for each line; no variables of CSS, which not every viewer of SVG knows. */
const paint = (page) =>
  COLOURS.map(
    (colour, line) =>
      `.line${line} .path{stroke:${colour[page]}}.line${line} .dot,.line${line} .name{fill:${colour[page]}}`,
  ).join('')

function style() {
  return (
    `<style>text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:16px}.name{font-weight:600}` +
    `.note{font-size:11px;fill:#59636e}.grid{stroke:#d1d9e0}.axis{stroke:#59636e}.page{fill:#fff}` +
    `.path{fill:none;stroke-width:2.5}${paint(0)}` +
    `@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.note{fill:#9198a1}.grid{stroke:#3d444d}.axis{stroke:#9198a1}` +
    `.page{fill:#0d1117}${paint(1)}}</style>`
  )
}

/** A round step so that about `count` of them reach `largest`: 1, 2 or 5 times a power of ten. */
function tickStep(largest, count = 5) {
  const rough = largest / count
  const power = 10 ** Math.floor(Math.log10(rough))
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10)
}

/** Numbers to places: x by its index among the ticks (batch sizes double, so they stand evenly), y from zero. */
function scales(ticks, largest) {
  const step = tickStep(largest)
  const top = Math.ceil(largest / step) * step
  const x = (value) => FRAME.left + (PLOT.width * ticks.indexOf(value)) / Math.max(1, ticks.length - 1)
  const y = (value) => FRAME.top + PLOT.height * (1 - value / top)
  const values = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step)
  return { x, y, values }
}

function axes({ x, y, values }, { ticks, xLabel, yLabel }) {
  const right = FRAME.left + PLOT.width
  const bottom = FRAME.top + PLOT.height
  const rows = values.map(
    (value) =>
      `<line class="grid" x1="${FRAME.left}" x2="${right}" y1="${y(value)}" y2="${y(value)}"/>` +
      `<text x="${FRAME.left - 8}" y="${y(value) + 4}" text-anchor="end">${quote(Number(value.toPrecision(6)))}</text>`,
  )
  const columns = ticks.map(
    (tick) => `<text x="${x(tick)}" y="${bottom + 20}" text-anchor="middle">${quote(tick)}</text>`,
  )
  return [
    ...rows,
    `<line class="axis" x1="${FRAME.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    ...columns,
    `<text x="${FRAME.left + PLOT.width / 2}" y="${bottom + 40}" text-anchor="middle">${quote(xLabel)}</text>`,
    `<text x="${FRAME.left - 56}" y="${FRAME.top - 18}">${quote(yLabel)}</text>`,
  ].join('\n')
}

/** Names stand at the ends of their lines, moved apart where they would overlap. */
function nameHeights(lines, y) {
  const heights = lines.map(({ points }) => y(points.at(-1)[1]))
  const order = heights.map((_, index) => index).sort((a, b) => heights[a] - heights[b])
  for (const [place, index] of order.entries()) {
    if (place > 0) heights[index] = Math.max(heights[index], heights[order[place - 1]] + 17)
  }
  return heights
}

function drawLine({ name, points }, index, { x, y }, height) {
  const places = points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`)
  const dots = places.map((place) => {
    const [cx, cy] = place.split(',')
    return `<circle class="dot" cx="${cx}" cy="${cy}" r="4"/>`
  })
  const end = x(points.at(-1)[0]) + 12
  return `<g class="line${index}"><polyline class="path" points="${places.join(' ')}"/>${dots.join('')}<text class="name" x="${end}" y="${(height + 4).toFixed(1)}">${quote(name)}</text></g>`
}

/**
 * `lines` are `{ name, points: [[tick, value], …] }`, at most three; `ticks` are all places on the x axis, in order.
 * @returns the text of an SVG file.
 */
function lineChart({ title, note = '', ticks, lines, xLabel, yLabel }) {
  if (lines.length === 0 || lines.length > COLOURS.length)
    throw new Error(`Expected 1 to ${COLOURS.length} lines but received ${lines.length}`)
  const largest = Math.max(...lines.flatMap(({ points }) => points.map(([, value]) => value)))
  if (!(largest > 0)) throw new Error(`Expected values above 0 but the largest is ${largest}`)
  const places = scales(ticks, largest)
  const heights = nameHeights(lines, places.y)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${quote(title)}">`,
    style(),
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="18" y="28">${quote(title)}</text>`,
    axes(places, { ticks, xLabel, yLabel }),
    ...lines.map((line, index) => drawLine(line, index, places, heights[index])),
    `<text class="note" x="18" y="${HEIGHT - 10}">${quote(note)}</text>`,
    '</svg>\n',
  ].join('\n')
}

module.exports = { lineChart, tickStep }
