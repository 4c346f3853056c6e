'use strict'
// npm run bench:memory — what `pipeline.memory()` predicts for a picture beside what the process then took at most, beyond what
// Node and libtorch take: v2's widths for each kind of kernels, offload and dtype, one process each. Ends with 1 where the two
// are more than 1.25 times apart. Linux: it reads /proc.
//
// `--model FOLDER --graphs FOLDER` take another checkpoint: v2 with few blocks (`python -m bench.peers.checkpoint .bench`) takes
// as much beside its weights, in a fifth of the time. `--json FILE` adds to what was measured before; `--docs` writes
// the table of bench/memory.json into docs/benchmarks.md. `--predict` predicts the kept cases of that checkpoint anew, without
// pictures. Cases that fail, are cut short or have no room here are named at the end.

const fs = require('node:fs')
const path = require('node:path')
const { spawnSync } = require('node:child_process')
const { parseArgs } = require('node:util')
const { ensureFullSize } = require('./support/checkpoint')
const { writeTable } = require('./support/manual')
const { machine } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    graphs: { type: 'string' },
    size: { type: 'string', multiple: true, default: ['512', '1024', '1536', '2048'] },
    kernels: { type: 'string', multiple: true, default: ['packed', 'shared', 'mapped', 'off'] },
    offload: { type: 'string', multiple: true, default: ['none', 'model', 'sequential'] },
    dtype: { type: 'string', multiple: true, default: ['bfloat16', 'float32', 'int8'] },
    patience: { type: 'string', default: '280' }, // seconds for one picture
    json: { type: 'string' },
    docs: { type: 'boolean', default: false },
    predict: { type: 'boolean', default: false },
  },
})
const KEPT = path.join(__dirname, 'memory.json')
const APART = 1.25

/** int8 packs its weights, and shares them where they come and go. */
function isPossible({ dtype, kernels, offload }) {
  if (dtype !== 'int8') return true
  return kernels === 'shared' || (kernels === 'packed' && offload === 'none')
}

function cases() {
  const all = values.dtype.flatMap((dtype) =>
    values.kernels.flatMap((kernels) =>
      values.offload.flatMap((offload) =>
        values.size.map((size) => ({ dtype, kernels, offload, size: Number(size) })),
      ),
    ),
  )
  return all.filter(isPossible)
}

/** The process of one case; what it printed, or why there is nothing. */
function measure(model, { dtype, kernels, offload, size }, only) {
  const options = { dtype, kernels, offload, ...(values.graphs && { graphs: path.resolve(values.graphs) }) }
  const task = JSON.stringify({ model: path.resolve(model), options, side: size, only })
  const program = path.join(__dirname, 'support', 'memory-child.js')
  const made = spawnSync(process.execPath, [program, task], {
    encoding: 'utf8',
    timeout: 1000 * Number(values.patience),
  })
  if (made.status !== 0)
    return { failed: made.signal ?? /^\w*Error.*/m.exec(made.stderr)?.[0] ?? made.stderr }
  const found = JSON.parse(made.stdout.trim().split('\n').at(-1))
  if (found.available === undefined) return found
  return { failed: `predicted ${gb(most(found.predicted))} GB, ${gb(found.available)} GB are available` }
}

const most = (bytes) => Math.max(...Object.values(bytes))
const gb = (bytes) => (bytes / 1e9).toFixed(2)
const nameOf = ({ dtype, kernels, offload, size }) => `${dtype}, ${kernels}, ${offload}, ${size}x${size}`

function line({ predicted, taken, ...one }) {
  const stage = Object.keys(taken).find((name) => taken[name] === most(taken))
  const ratio = most(predicted) / most(taken)
  const cells = [one.dtype, one.kernels, one.offload, `${one.size}x${one.size}`, one.model]
  return `| ${cells.join(' | ')} | ${gb(most(predicted))} | ${gb(most(taken))} | ${stage} | ${ratio.toFixed(2)} |`
}

const HEAD =
  '| dtype | kernels | offload | picture | blocks | predicted, GB | process, GB | largest stage | predicted / process |\n|---|---|---|---|---|---|---|---|---|'

function keep(file, rows) {
  const before = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')).rows : []
  const key = (row) => `${row.model} ${nameOf(row)}`
  const known = new Map([...before, ...rows].map((row) => [key(row), row]))
  fs.writeFileSync(file, `${JSON.stringify({ machine: machine(), rows: [...known.values()] }, null, 1)}\n`)
}

/** The table of what was kept, in the manual. */
function writeDocs() {
  const { machine: where, rows } = JSON.parse(fs.readFileSync(KEPT, 'utf8'))
  const ratios = rows.map(({ predicted, taken }) => most(predicted) / most(taken))
  const range = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
  const days = rows.map(({ date }) => date).sort()
  const span = [...new Set([days[0], days.at(-1)])].join(' to ')
  const summary = `${span}, ${where}. ${rows.length} cases; predicted is ${range} times what the process took.`
  writeTable('memory', `${summary}\n\n${HEAD}\n${rows.map(line).join('\n')}`)
}

/** Kept rows of a checkpoint, each with what is predicted now. */
function predictAgain(model, blocks) {
  const { rows } = JSON.parse(fs.readFileSync(KEPT, 'utf8'))
  const same = rows.filter((row) => row.model === blocks)
  return same.map((row) => ({ ...row, ...measure(model, row, 'predicted') }))
}

/** One row after the other, as it is measured. */
function* measureAll(model, blocks, missed) {
  for (const one of cases()) {
    const found = measure(model, one)
    if (found.failed === undefined) yield { ...one, model: blocks, date: today(), ...found }
    else missed.push(`NOT MEASURED: ${nameOf(one)}: ${found.failed}`)
  }
}

const today = () => new Date().toISOString().slice(0, 10)

function main() {
  if (values.docs) return writeDocs()
  const model = values.model ?? ensureFullSize()
  const blocks = values.model === undefined || !/shallow/.test(values.model) ? 'all' : 'few'
  const missed = []
  console.log(`${machine()}\n\n${HEAD}`)
  for (const row of values.predict ? predictAgain(model, blocks) : measureAll(model, blocks, missed)) {
    console.log(line(row))
    if (values.json !== undefined) keep(values.json, [row])
    const ratio = most(row.predicted) / most(row.taken)
    if (ratio < 1 / APART || ratio > APART) missed.push(`missed: ${nameOf(row)}: ${ratio.toFixed(2)}`)
  }
  for (const what of missed) console.log(what)
  if (missed.length > 0) process.exitCode = 1
}

main()
