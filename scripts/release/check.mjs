/**
 * Everything about a release that can be done on one machine: `npm run release:check [-- --only npm,worker] [--arm64]`.
 * Makes the packages for this platform, publishes them to a registry on this machine, installs from there with every
 * package manager and Node that npm's registry has, and makes the same picture with each. Fails where one differs.
 * `--arm64` also cross-compiles the native parts for linux-arm64 (docs/platforms.md).
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { missingTargets } from './main-package.mjs'
import { checkoutManifest } from './manifest.mjs'
import { libtorchPackage, RELEASE, TARGETS, THIS_TARGET } from './places.mjs'
import { buildPortable, collectPrebuilds } from './prebuild.mjs'
import { CASES } from './proof/cases.mjs'
import { CLIENTS } from './proof/clients.mjs'
import { referencePicture } from './proof/pictures.mjs'
import { openReport, proveClient } from './proof/prove.mjs'
import { openRegistry, toolsOf } from './registry.mjs'
import { packLibtorch, packMain, packStandIn } from './tarballs.mjs'

const BOTH = ['require.cjs', 'import.mjs']
/** Node from npm's registry, and the npm that it is used with. Node 20 is the one that runs this. */
const NODES = [
  { name: 'node-22', npm: 'npm 11', programs: [...BOTH, 'worker.mjs'] },
  { name: 'node-24', npm: 'npm 12', programs: [...BOTH, 'using.mjs', 'worker.mjs'] },
  { name: 'node-26', npm: 'npm 12', programs: [...BOTH, 'using.mjs', 'worker.mjs'] },
]

const { values } = parseArgs({
  options: { only: { type: 'string' }, arm64: { type: 'boolean', default: false } },
})
const chosen = values.only?.split(',') ?? ['']
const isChosen = (name) => chosen.some((part) => name.includes(part))

const report = openReport(console.log)
const secondVersion = `${checkoutManifest().version}-second`
const registry = await publishAll()
try {
  await proveAll(await toolsOf('clients'))
} finally {
  registry.close()
}
summarize()

async function publishAll() {
  await collectPrebuilds(await buildPortable())
  if (values.arm64) await collectPrebuilds(await buildPortable('linux-arm64'))
  const tarballs = [await packLibtorch(THIS_TARGET), await packMain()]
  for (const target of TARGETS.filter((one) => one !== THIS_TARGET)) tarballs.push(await packStandIn(target))
  const opened = await openRegistry()
  // As in a release: nobody can install the main package before all that it depends on is there.
  for (const tarball of tarballs.filter((path) => path.includes('libtorch'))) await opened.publish(tarball)
  await opened.publish(tarballs[1])
  await opened.publish(await packMain(secondVersion, join(RELEASE, 'second')), 'second')
  return opened
}

async function proveAll(tools) {
  const shared = { registry: registry.url, tools, reference: referencePicture() }
  for (const [name, client] of Object.entries(CLIENTS).filter(([name]) => isChosen(name)))
    await proveClient(report, name, { ...shared, client, programs: BOTH })
  for (const { name, npm, programs } of NODES.filter(({ name }) => isChosen(name))) {
    const node = `${tools}/${name}/bin/node`
    await proveClient(report, `${name} with ${npm}`, { ...shared, client: CLIENTS[npm], node, programs })
  }
  for (const [name, prove] of Object.entries(CASES).filter(([name]) => isChosen(name)))
    await report.step(name, () => prove({ ...shared, client: CLIENTS['npm 11'], secondVersion }))
  if (isChosen('Electron'))
    report.skip('Electron', 'its binary is no part of an npm package and is not downloaded here')
}

function summarize() {
  const { results } = report
  const failed = results.filter(({ ok }) => !ok)
  const skipped = results.filter((result) => result.skipped)
  const others = TARGETS.filter((target) => target !== THIS_TARGET)
  console.log(`\nNot made by this check, so a release lacks them until its workflow makes them:`)
  for (const target of missingTargets()) console.log(`  - native parts for ${target}`)
  for (const target of others)
    console.log(`  - ${libtorchPackage(target)} (node scripts/release/libtorch.mjs --target ${target})`)
  console.log(
    `\n${results.length - failed.length - skipped.length} ok, ${failed.length} failed, ${skipped.length} skipped`,
  )
  if (failed.length > 0 || results.length === skipped.length) process.exitCode = 1
}
