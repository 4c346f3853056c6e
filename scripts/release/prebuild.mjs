/**
 * Collects native parts: `node scripts/release/prebuild.mjs` takes those that the checkout has built, `--portable` builds them as
 * a release does (`build-native.mjs`) for the versions of libtorch in packages/libtorch/targets.json or, beside the checkout's
 * own, for those of `--libtorch FOLDER ...`, and `--target linux-arm64 --loader FILE --engine FOLDER ...` takes what is named.
 *
 *   .release/prebuilds/linux-x64/loader.node
 *   .release/prebuilds/linux-x64/torch-2.13/wuerstchen.node, torch-version, libwuerstchen_cuda.so
 *
 * prebuildify is for one addon that node-gyp builds. We have a second one that CMake builds, a library beside it, and one
 * folder for each libtorch: that is copying files to a place with a name, so it is done as such.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { ENGINE_BUILD, LOADER } from '../tooling/places.mjs'
import { run } from '../tooling/shell.mjs'
import { buildNative } from './build-native.mjs'
import { chosenTargets, LIBTORCH, PREBUILDS, RELEASE, THIS_TARGET } from './places.mjs'
import { furtherLibtorches } from './wheels.mjs'

const log = join(RELEASE, 'prebuild.log')
// Recorders for tests lie beside these and are not shipped.
const SHIPPED = /^(wuerstchen\.node|torch-version|(lib)?wuerstchen_cuda\.(so|dll))$/

/**
 * `loader` and `engines` are a file and folders as the builds leave them. Replaces what was collected for the target.
 */
export async function collectPrebuilds({
  target = THIS_TARGET,
  loader = LOADER,
  engines = [join(ENGINE_BUILD, 'Release')],
} = {}) {
  const folder = join(PREBUILDS, target)
  rmSync(folder, { recursive: true, force: true })
  await ship(target, loader, join(folder, 'loader.node'))
  for (const engine of engines) {
    const version = readFileSync(join(engine, 'torch-version'), 'utf8').trim()
    const destination = join(folder, `torch-${version.split('.', 2).join('.')}`)
    if (existsSync(destination)) throw new Error(`Expected one engine for torch ${version} but received two`)
    cpSync(engine, destination, { recursive: true, filter: (path) => path === engine || isShipped(path) })
    await ship(target, join(engine, 'wuerstchen.node'), join(destination, 'wuerstchen.node'))
  }
  return folder
}

/** Other systems than Linux have no older libraries to build against. */
export async function buildPortable(target = THIS_TARGET, folders = null) {
  if (!target.startsWith('linux-')) return { target }
  const libtorches = folders ?? (await furtherLibtorches(target))
  const engines = []
  for (const libtorch of [undefined, ...libtorches]) {
    const out = join(RELEASE, 'built', target, `${engines.length}`)
    rmSync(out, { recursive: true, force: true })
    await buildNative({ target, libtorch, out })
    engines.push(out)
  }
  return { target, loader: join(engines[0], 'loader.node'), engines }
}

const isShipped = (path) => SHIPPED.test(path.split(/[\\/]/).pop())

async function ship(target, from, to) {
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, to)
  chmodSync(to, 0o644)
  const programs = LIBTORCH.targets[target].strip
  if (programs === null) return
  await run(target === THIS_TARGET ? programs[0] : programs[1], ['--strip-unneeded', to], { log })
}

if (import.meta.filename === process.argv[1]) {
  const { values } = parseArgs({
    options: {
      target: { type: 'string' },
      loader: { type: 'string' },
      engine: { type: 'string', multiple: true },
      portable: { type: 'boolean', default: false },
      libtorch: { type: 'string', multiple: true },
    },
  })
  const [target] = chosenTargets(values.target, [THIS_TARGET])
  const named = { target, loader: values.loader, engines: values.engine }
  console.log(await collectPrebuilds(values.portable ? await buildPortable(target, values.libtorch) : named))
}
