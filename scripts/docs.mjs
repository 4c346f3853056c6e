/** `npm run docs`: the manual as a site, in site/dist: docs/*.md, and docs/api from the types. `-- --serve` shows it. */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { at } from './tooling/places.mjs'

const site = at('site')

function run(what, command, args, cwd = site) {
  console.log(`docs: ${what}`)
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit' })
  if (status === 0) return
  console.error(
    `docs: Expected '${command} ${args.join(' ')}' to succeed but ${error?.message ?? `it ended with ${status}`}`,
  )
  process.exit(1)
}

if (!existsSync(at('site/node_modules/.package-lock.json')))
  run('installing the site generator', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'])
run('writing docs/api from the types', process.execPath, ['node_modules/typedoc/bin/typedoc'])
const action = process.argv.includes('--serve') ? 'dev' : 'build'
run(action === 'dev' ? 'serving' : 'building site/dist', process.execPath, [
  'node_modules/vitepress/bin/vitepress.js',
  action,
])
