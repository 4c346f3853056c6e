/**
 * What an installation costs, beside other native packages: `npm run bench:install [-- RUNS]`. Every package comes from a
 * registry on this machine that has it already, with an empty npm cache and install scripts off: seconds are npm's work
 * and the disk's, not a network's.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { checkoutManifest } from './manifest.mjs'
import { THIS_TARGET } from './places.mjs'
import { collectPrebuilds } from './prebuild.mjs'
import { CLIENTS } from './proof/clients.mjs'
import { generateArguments } from './proof/pictures.mjs'
import { installed } from './proof/prove.mjs'
import { openRegistry, toolsOf } from './registry.mjs'
import { packLibtorch, packMain } from './tarballs.mjs'

const PACKAGES = [
  `wuerstchen@${checkoutManifest().version}`,
  'sharp@0.35.5',
  'onnxruntime-node@1.30.0',
  'node-llama-cpp@3.22.1',
]
const RUNS = Number(process.argv[2] ?? 3)
const client = CLIENTS['npm 11']

await collectPrebuilds()
const registry = await openRegistry()
try {
  for (const tarball of [await packLibtorch(THIS_TARGET), await packMain()]) await registry.publish(tarball)
  await compare(await toolsOf('clients'))
} finally {
  registry.close()
}

async function compare(tools) {
  const settings = { client, registry: registry.url, tools }
  console.log(
    `${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.version}, ${client.name ?? 'npm 11'}; median of ${RUNS}`,
  )
  console.log(
    '| package | downloaded, MB | unpacked, MB | npm install, s | import, ms | to the first picture, s |',
  )
  console.log('|---|---|---|---|---|---|')
  for (const name of PACKAGES) {
    ;(await installed({ ...settings, packages: [name] })).machine.remove() // the registry has it now
    const runs = []
    for (let run = 0; run < RUNS; run++) runs.push(await measure(settings, name))
    const median = (pick) => runs.map(pick).sort((a, b) => a - b)[runs.length >> 1]
    const picture = median((run) => run.picture)
    const cells = [
      name,
      megabytes(runs[0].downloaded),
      megabytes(runs[0].unpacked),
      median((run) => run.install).toFixed(1),
      median((run) => run.load).toFixed(0),
      Number.isNaN(picture) ? '' : picture.toFixed(1),
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1)
}

async function measure(settings, name) {
  const started = performance.now()
  const app = await installed({ ...settings, packages: [name] })
  const seconds = () => (performance.now() - started) / 1000
  try {
    const install = seconds()
    const ours = name.startsWith('wuerstchen@')
    if (ours) await app.run(client.exec(...generateArguments('first.png')))
    const picture = ours ? seconds() : Number.NaN
    const downloaded = await bytesOfTarballs(app.folder)
    return {
      install,
      picture,
      downloaded,
      unpacked: bytesIn(join(app.folder, 'node_modules')),
      load: await loadTime(app, name),
    }
  } finally {
    app.machine.remove()
  }
}

/** Milliseconds of `import`, without Node's own start. The second process, so that the files are in memory. */
async function loadTime(app, name) {
  const module = name.replace(/(.)@.*/, '$1')
  const code = `const t = performance.now(); await import('${module}'); console.log(performance.now() - t)`
  const command = ['node', '--input-type=module', '-e', code]
  await app.run(command)
  return Number((await app.run(command)).trim().split('\n').at(-1))
}

/** Of what npm installed and not of what it looked at: node_modules/.package-lock.json lists that. */
async function bytesOfTarballs(folder) {
  const { packages } = JSON.parse(readFileSync(join(folder, 'node_modules', '.package-lock.json'), 'utf8'))
  let bytes = 0
  for (const { resolved } of Object.values(packages))
    bytes += (await (await fetch(resolved)).arrayBuffer()).byteLength
  return bytes
}

function bytesIn(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => statSync(join(folder, name)))
    .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0)
}
