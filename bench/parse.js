/**
 * How long `parsePrompt()` takes for 100,000 characters of shapes that are hard on it: the first time in a process, and once
 * warm. `npm run bench:parse`. The best of five, of the slowest shapes of each syntax.
 */
const { spawnSync } = require('node:child_process')

const { parsePrompt } = require('../dist')

const CHARACTERS = 100_000
const ROUNDS = 5
const SHOWN = 5

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
  for (const [syntax, shapes] of Object.entries(SHAPES)) {
    const rows = Object.entries(shapes).map(([shape, text]) => {
      const times = Array.from({ length: ROUNDS }, () => timed(text, syntax))
      return { syntax, shape, firstMs: first(syntax, shape), warmMs: Math.min(...times) }
    })
    for (const { shape, firstMs, warmMs } of rows.sort((a, b) => b.warmMs - a.warmMs).slice(0, SHOWN))
      console.log(`${syntax} ${shape}: ${firstMs.toFixed(0)} ms first, ${warmMs.toFixed(0)} ms warm`)
  }
}

/** In a process of its own. */
function first(syntax, shape) {
  const program = process.argv[1]
  const { stdout, stderr, status } = spawnSync(process.execPath, [program, syntax, shape], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return Number(stdout)
}
