/** A registry on this machine that has our packages as they would be published, and passes everything else on to npm's. */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import ports from '../../bench/support/ports.js'
import { at } from '../tooling/places.mjs'
import { run } from '../tooling/shell.mjs'
import { NPM, RELEASE } from './places.mjs'

const START_LIMIT_MS = 60_000
const log = join(RELEASE, 'registry.log')
// Fetched packages stay here, so that only a first run needs npm's registry.
const STORAGE = join(RELEASE, 'registry', 'storage')
const OURS = ['wuerstchen', '@wuerstchen']

/** Folder of installed tools: `scripts/release/tools/NAME`, installed from its lock file where it changed. */
export async function toolsOf(name) {
  const source = at('scripts', 'release', 'tools', name)
  const folder = join(RELEASE, 'tools', name)
  const lock = readFileSync(join(source, 'package-lock.json'), 'utf8')
  const installed = join(folder, 'installed')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === lock) return join(folder, 'node_modules')
  mkdirSync(folder, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) cpSync(join(source, file), join(folder, file))
  cpSync(at('.npmrc'), join(folder, '.npmrc'))
  await run(process.execPath, [NPM, 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    log,
    cwd: folder,
  })
  writeFileSync(installed, lock)
  return join(folder, 'node_modules')
}

/** Starts Verdaccio with nothing of ours in it. `close()` ends it. */
export async function openRegistry() {
  const tools = await toolsOf('registry')
  for (const name of OURS) rmSync(join(STORAGE, name), { recursive: true, force: true })
  mkdirSync(STORAGE, { recursive: true })
  const config = join(RELEASE, 'registry', 'config.yaml')
  writeFileSync(config, configuration())
  const port = await ports.freePort()
  const output = openSync(log, 'a')
  const program = join(tools, 'verdaccio', 'bin', 'verdaccio')
  const server = spawn(process.execPath, [program, '--config', config, '--listen', `127.0.0.1:${port}`], {
    stdio: ['ignore', output, output],
  })
  const stop = () => server.kill()
  process.once('exit', stop)
  const url = `http://127.0.0.1:${port}/`
  await untilItAnswers(url, server)
  const close = () => {
    process.off('exit', stop)
    stop()
  }
  return { url, port, close, publish: (tarball, tag = 'latest') => publish(url, tarball, tag) }
}

async function publish(url, tarball, tag) {
  const user = join(RELEASE, 'registry', 'npmrc')
  writeFileSync(user, `${url.replace('http:', '')}:_authToken=anybody\nregistry=${url}\n`)
  const options = [
    '--userconfig',
    user,
    '--registry',
    url,
    '--ignore-scripts',
    '--provenance=false',
    '--tag',
    tag,
  ]
  await run(process.execPath, [NPM, 'publish', tarball, ...options], { log, cwd: RELEASE })
}

// Anybody may publish: it listens to this machine alone, and ends with the check.
function configuration() {
  const upstream = execFileSync(process.execPath, [NPM, 'config', 'get', 'registry'], {
    encoding: 'utf8',
  }).trim()
  return `
storage: ${JSON.stringify(STORAGE)}
max_body_size: 1gb
web: { enable: false }
uplinks:
  npm: { url: ${JSON.stringify(upstream)}, maxage: 30d, timeout: 60s }
packages:
  '@wuerstchen/*': { access: $all, publish: $all, unpublish: $all }
  'wuerstchen': { access: $all, publish: $all, unpublish: $all }
  '**': { access: $all, proxy: npm }
log: { type: stdout, format: pretty, level: warn }
`
}

async function untilItAnswers(url, server) {
  const deadline = Date.now() + START_LIMIT_MS
  while (Date.now() < deadline) {
    if (server.exitCode !== null)
      throw new Error(`Verdaccio ended with exit code ${server.exitCode}: see ${log}`)
    const answer = await fetch(`${url}-/ping`).catch(() => null)
    if (answer?.ok) return
    await setTimeout(100)
  }
  server.kill()
  throw new Error(`Expected Verdaccio to answer within ${START_LIMIT_MS} ms: see ${log}`)
}
