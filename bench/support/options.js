'use strict'
// The command line of `npm run bench`.

const os = require('node:os')
const { parseArgs } = require('node:util')

const STAGES = ['prior', 'decoder', 'vqgan', 'shapes', 'overheads']
/** In the order of the tables; eager comes first, since all others must agree with it. */
const PEERS = ['eager', 'sdpa', 'compile', 'autotune', 'onnxruntime', 'openvino', 'torchscript']
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

function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      stage: { type: 'string', default: STAGES.join() },
      peers: { type: 'string', default: PEERS.join() },
      rounds: { type: 'string', default: '3' },
      threads: { type: 'string', default: String(os.availableParallelism()) },
      dtype: { type: 'string', default: 'float32' },
      json: { type: 'string' },
    },
  })
  const [dtype] = listOf('dtype', values.dtype, DTYPES)
  if (dtype !== values.dtype) throw new Error(`Expected one --dtype but received '${values.dtype}'`)
  return {
    stages: listOf('stage', values.stage, STAGES),
    // Agreement with eager is what makes a time mean anything, so eager is always there.
    peers: listOf('peers', `eager,${values.peers}`, PEERS),
    rounds: countOf('rounds', values.rounds, 1),
    threads: countOf('threads', values.threads, 1),
    dtype,
    json: values.json,
  }
}

module.exports = { DTYPES, PEERS, STAGES, readOptions }
