'use strict'
// The command line of `npm run bench`.

const os = require('node:os')
const { parseArgs } = require('node:util')

const STAGES = ['prior', 'decoder', 'vqgan', 'shapes', 'overheads']
/** In the order of the tables; eager comes first, since all others must agree with it. */
const PEERS = [
  'eager',
  'sdpa',
  'compile',
  'autotune',
  'onnxruntime',
  'openvino',
  'openvino-f32',
  'torchscript',
]
/** Ours in other ways, for those who ask: compiling takes minutes. */
const VARIANTS = ['compiled', 'int8']
const DTYPES = ['float32', 'bfloat16']

function listOf(name, text, known) {
  const chosen = text.split(',').filter((one) => one !== '')
  const unknown = chosen.find((one) => !known.includes(one))
  if (unknown !== undefined)
    throw new Error(`Expected --${name} to name some of ${known.join(', ')} but received '${unknown}'`)
  return known.filter((one) => chosen.includes(one))
}

function countOf(name, text, least) {
  const count = Number(text)
  if (!Number.isInteger(count) || count < least)
    throw new Error(`Expected --${name} to be a whole number from ${least} but received '${text}'`)
  return count
}

/** `defaults` are those of a program other than `npm run bench`; `more` are options that only it has, as texts. */
function readOptions(args, defaults = {}, more = {}) {
  const known = {
    stage: STAGES.join(),
    peers: PEERS.join(),
    rounds: '3',
    threads: String(os.availableParallelism()),
    dtype: 'float32',
    ...defaults,
    ...more,
  }
  const options = Object.fromEntries(
    Object.entries(known).map(([name, value]) => [name, { type: 'string', default: value }]),
  )
  const flags = { json: { type: 'string' }, docs: { type: 'boolean', default: false } }
  const { values } = parseArgs({ args, options: { ...flags, ...options } })
  if (!DTYPES.includes(values.dtype))
    throw new Error(`Expected --dtype to be one of ${DTYPES.join(', ')} but received '${values.dtype}'`)
  return {
    ...Object.fromEntries(Object.keys(more).map((name) => [name, values[name]])),
    stages: listOf('stage', values.stage, STAGES),
    // Agreement with eager is what makes a time mean anything, so eager is always there.
    peers: listOf('peers', `eager,${values.peers}`, [...PEERS, ...VARIANTS]),
    rounds: countOf('rounds', values.rounds, 1),
    threads: countOf('threads', values.threads, 1),
    dtype: values.dtype,
    json: values.json,
    docs: values.docs,
  }
}

module.exports = { DTYPES, PEERS, STAGES, VARIANTS, countOf, readOptions }
