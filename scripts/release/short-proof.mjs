/**
 * The short form of release:check, for `npm test`: `npm install wuerstchen` from tarballs with npm and this Node, on a bare
 * machine, then the same picture as the checkout's. `--tarballs FOLDER` takes those of a release. Prints the steps as JSON.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readStamp } from '../tooling/stamps.mjs'
import { makeLibtorch } from './libtorch.mjs'
import { NPM, RELEASE, THIS_TARGET } from './places.mjs'
import { collectPrebuilds } from './prebuild.mjs'
import { ownNpm } from './proof/clients.mjs'
import { referencePicture } from './proof/pictures.mjs'
import { openReport, proveClient } from './proof/prove.mjs'
import { openStaticRegistry } from './static-registry.mjs'
import { packMain } from './tarballs.mjs'

const { values } = parseArgs({ options: { tarballs: { type: 'string' } } })
const report = openReport(console.error)
const registry = await openStaticRegistry(
  values.tarballs ? tarballsIn(values.tarballs) : await makeTarballs(),
)
// Tarballs of a release are tested on machines without a build: there the pictures are only compared with each other.
const reference = values.tarballs ? null : referencePicture()
const settings = { client: ownNpm(NPM), registry: registry.url, programs: ['require.cjs', 'import.mjs'] }
await proveClient(report, 'npm', { ...settings, reference })
registry.close()
console.log(JSON.stringify(report.results))
if (report.results.some(({ ok }) => !ok)) process.exitCode = 1

function tarballsIn(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  return names.map((name) => resolve(folder, name))
}

async function makeTarballs() {
  await collectPrebuilds()
  return [await quickTarball(await makeLibtorch(THIS_TARGET)), await packMain()]
}

/** npm's best compression takes half a minute for libtorch; what is installed is the same. Made once a libtorch. */
async function quickTarball(folder) {
  const stamp = readStamp(`release-libtorch-${THIS_TARGET}`)
  const path = join(RELEASE, 'quick', `libtorch-${stamp.slice(0, 16)}.tgz`)
  if (existsSync(path)) return path
  mkdirSync(join(RELEASE, 'quick'), { recursive: true })
  const options = ['-I', 'gzip -1', '--transform', 's,^\\.,package,']
  execFileSync('tar', [...options, '-cf', `${path}.new`, '.'], { cwd: folder })
  renameSync(`${path}.new`, path)
  return path
}
