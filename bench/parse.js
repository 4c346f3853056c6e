/**
 * How long `parsePrompt()` takes for 100,000 characters, shape by shape: as the first reading of a process, and once warm.
 * `npm run bench:parse`. Cold is the median and the most of seven processes; warm the median of seven readings after as many others.
 */
const { spawnSync } = require('node:child_process')

const { parsePrompt } = require('../dist')
const { median } = require('./support/statistics')

const CHARACTERS = 100_000
const ROUNDS = 7

const filled = (unit) => unit.repeat(Math.floor(CHARACTERS / unit.length))
const nested = (open, close) => filled(`${open.repeat(99)}a${close.repeat(99)} `)
const members = (count) => `(${'"a",'.repeat(count)}"a")`

const SHAPES = {
  compel: {
    words: filled('a red circle '),
    signs: filled('a+ '),
    weights: filled('(a)1.3 '),
    quotes: filled('"a b"0.5 '),
    escapes: filled('\\(a\\) '),
    dots: filled('a.b '),
    nesting: nested('(', ')+'),
    blend: `${members(24_990)}.blend()`,
    and: `${members(24_990)}.and()`,
  },
  a1111: {
    words: filled('a red circle '),
    weights: filled('(a:1.3) '),
    brackets: filled('[a] '),
    'open brackets': filled('('),
    schedules: filled('[a:b:8] '),
    alternatives: filled('[a|b|c]'),
    'one with 50,000 choices': `[${filled('a|').slice(2)}]`,
    colons: `(${filled(':').slice(2)})`,
    breaks: filled('a BREAK '),
    escapes: filled('\\('),
    nesting: nested('[', ']'),
  },
}

const [, , syntax, shape] = process.argv
if (shape === undefined) report()
else console.log(`${timed(SHAPES[syntax][shape], syntax)}`)

function timed(text, syntax) {
  const started = performance.now()
  parsePrompt(text, { syntax })
  return performance.now() - started
}

function report() {
  const rows = Object.entries(SHAPES).flatMap(([syntax, shapes]) =>
    Object.entries(shapes).map(([shape, text]) => measured(syntax, shape, text)),
  )
  const shown = (ms) => ms.toFixed(0).padStart(6)
  console.log(`${'ms for 100,000 characters'.padEnd(34)}  cold  most  warm`)
  for (const { name, cold, most, warm } of rows.sort((a, b) => b.cold - a.cold))
    console.log(name.padEnd(32) + shown(cold) + shown(most) + shown(warm))
}

function measured(syntax, shape, text) {
  const cold = rounds(() => inNewProcess(syntax, shape))
  rounds(() => timed(text, syntax))
  const warm = rounds(() => timed(text, syntax))
  return { name: `${syntax}, ${shape}`, cold: median(cold), most: cold.at(-1), warm: median(warm) }
}

/** From the quickest to the slowest. */
function rounds(time) {
  return Array.from({ length: ROUNDS }, time).sort((a, b) => a - b)
}

function inNewProcess(syntax, shape) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [__filename, syntax, shape], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return Number(stdout)
}
