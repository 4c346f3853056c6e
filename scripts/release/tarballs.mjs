/**
 * Packages as tarballs, packed by npm. `node scripts/release/tarballs.mjs [--main] [--libtorch TARGET,...]` prints the path of
 * each: `wuerstchen` with the native parts that were collected, and libtorch for some targets.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { run } from '../tooling/shell.mjs'
import { dropStamp, readStamp, writeStamp } from '../tooling/stamps.mjs'
import { libtorchManifest, makeLibtorch } from './libtorch.mjs'
import { makeMainPackage } from './main-package.mjs'
import { chosenTargets, NPM, RELEASE, TARBALLS } from './places.mjs'

const log = join(RELEASE, 'pack.log')

/** Absolute path of `wuerstchen`'s tarball, made anew: it takes a second. */
export const packMain = (version, destination) => pack(makeMainPackage(version), destination)

/** Absolute path of a libtorch package's tarball. Packing 345 MB takes half a minute, so it is done once. */
export async function packLibtorch(target) {
  const folder = await makeLibtorch(target)
  const stamp = `release-tarball-${target}`
  const inputs = readStamp(`release-libtorch-${target}`)
  const made = tarballOf(folder)
  if (existsSync(made) && readStamp(stamp) === inputs) return made
  dropStamp(stamp)
  await pack(folder)
  writeStamp(stamp, inputs)
  return made
}

/**
 * A package with a target's package.json and no libraries, for targets that this check does not make: yarn and deno install
 * nothing as long as an optional dependency does not exist, even one for another platform.
 */
export async function packStandIn(target) {
  const folder = join(RELEASE, 'stand-ins', target)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify(libtorchManifest(target)))
  // Not beside the real ones, where publish.mjs would take it for one.
  return pack(folder, join(RELEASE, 'stand-ins'))
}

async function pack(folder, destination = TARBALLS) {
  mkdirSync(destination, { recursive: true })
  const options = ['--pack-destination', destination, '--ignore-scripts', '--silent']
  await run(process.execPath, [NPM, 'pack', ...options, folder], { log, cwd: RELEASE })
  return tarballOf(folder, destination)
}

function tarballOf(folder, destination = TARBALLS) {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return join(destination, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)
}

if (import.meta.filename === process.argv[1]) {
  const options = { main: { type: 'boolean', default: false }, libtorch: { type: 'string' } }
  const { values } = parseArgs({ options })
  if (values.main) console.log(await packMain())
  for (const target of chosenTargets(values.libtorch, [])) console.log(await packLibtorch(target))
}
