'use strict'

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { PYTHON, ROOT, ensureFixtures } = require('./reference')

/** v2 at its full size: 3.1 billion seeded random weights in the hub's layout, 6.2 GB in bfloat16. Returns its folder. */
function ensureFullSize() {
  const fixtures = ensureFixtures()
  const folder = path.join(fixtures, 'full-size', 'v2')
  const written = path.join(`${folder}-prior`, 'model_index.json') // the last file
  if (!fs.existsSync(written)) {
    console.error('writing 6.2 GB of random weights …')
    const tokenizer = path.join(fixtures, 'tokenizer')
    const args = ['v2', folder, '--tokenizer', tokenizer, '--dtype', 'bfloat16', '--embeddings-scale', '42']
    const made = spawnSync(PYTHON, ['-m', 'scripts.random_checkpoint', ...args], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    if (made.status !== 0) throw new Error(`scripts.random_checkpoint failed:\n${made.stderr}`)
  }
  return folder
}

module.exports = { ensureFullSize }
