/** Packages as tarballs, packed by npm. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../tooling/shell.mjs'
import { dropStamp, readStamp, writeStamp } from '../tooling/stamps.mjs'
import { makeLibtorch } from './libtorch.mjs'
import { makeMainPackage } from './main-package.mjs'
import { NPM, RELEASE, TARBALLS } from './places.mjs'

const log = join(RELEASE, 'pack.log')

/** Absolute path of `wuerstchen`'s tarball, made anew: it takes a second. */
export const packMain = () => pack(makeMainPackage())

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

async function pack(folder) {
  mkdirSync(TARBALLS, { recursive: true })
  const options = ['--pack-destination', TARBALLS, '--ignore-scripts', '--silent']
  await run(process.execPath, [NPM, 'pack', ...options, folder], { log, cwd: RELEASE })
  return tarballOf(folder)
}

function tarballOf(folder) {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return join(TARBALLS, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)
}
