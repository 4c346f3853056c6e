'use strict'
// npm run bench:profile — where the time of one step goes, by operator: our graph in plain TorchScript, and diffusers.
//   --stage prior,decoder,vqgan   --peers torchscript,eager,sdpa   --threads 2   --top 12

const { askOnce, ensureCheckpoint, ensureEnvironment, HOME } = require('./support/peers')
const { countOf, readOptions } = require('./support/options')
const { machine } = require('./support/statistics')
const { LABELS, table } = require('./support/tables')

const PROFILED = ['eager', 'sdpa', 'torchscript']

/** The `top` longest operators, and all others in one row. */
function profileTable(operators, top) {
  const total = operators.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  const rest = operators.slice(top)
  const others = {
    name: `${rest.length} others`,
    calls: rest.reduce((sum, { calls }) => sum + calls, 0),
    milliseconds: rest.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
  }
  const rows = [...operators.slice(0, top), ...(rest.length > 0 ? [others] : [])]
  return table(
    ['operator', 'calls', 'ms', 'share'],
    rows.map(({ name, calls, milliseconds }) => [
      rest.length > 0 && name === others.name ? name : `\`${name}\``,
      calls,
      milliseconds.toFixed(0),
      `${((100 * milliseconds) / total).toFixed(1)}%`,
    ]),
  )
}

function main() {
  const defaults = { stage: 'prior,decoder,vqgan', peers: 'torchscript' }
  const given = readOptions(process.argv.slice(2), defaults, { top: '12' })
  const top = countOf('top', given.top, 1)
  ensureEnvironment()
  ensureCheckpoint()
  console.log(`${machine()}, ${given.threads} threads; one warm step each, an operator's own time`)
  for (const stage of given.stages) {
    for (const peer of given.peers.filter((name) => PROFILED.includes(name))) {
      const operators = askOnce('profile', peer, stage, HOME, '--threads', given.threads)
      console.log(`\n### ${stage}, ${LABELS[peer]}\n\n${profileTable(operators, top)}`)
    }
  }
}

main()
