/**
 * Publishes a release from its tarballs: `node scripts/release/publish.mjs [--check | --dry-run] [--tag v1.2.3] [--from FOLDER]`.
 * Refuses when a target is missing anywhere: yarn and deno install nothing while an optional dependency does not exist.
 * libtorch's packages go first, and those that are published already are passed over: they change with libtorch alone.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkoutManifest } from './manifest.mjs'
import { LIBTORCH, libtorchPackage, NPM, TARBALLS, TARGETS } from './places.mjs'

/** What a folder of tarballs lacks for a release, in words; empty when it is complete. */
export function lacking(folder) {
  const present = existsSync(folder) ? readdirSync(folder) : []
  const isWhole = (name) => present.includes(name) && /torch_cpu/.test(listOf(join(folder, name)))
  const libtorch = TARGETS.map(libtorchTarball).filter((name) => !isWhole(name))
  if (!present.includes(mainTarball())) return [...libtorch, mainTarball()]
  const files = listOf(join(folder, mainTarball())).split('\n')
  const native = TARGETS.flatMap((target) =>
    nativeParts(target).filter((path) => !files.includes(`package/${path}`)),
  )
  return [...libtorch, ...native.map((path) => `${path} in ${mainTarball()}`)]
}

const listOf = (tarball) => execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' })
const libtorchTarball = (target) => `wuerstchen-libtorch-${target}-${LIBTORCH.torch}.tgz`
const mainTarball = () => `wuerstchen-${checkoutManifest().version}.tgz`
const versionsOf = (target) => [
  LIBTORCH.torch,
  ...LIBTORCH.further.filter(({ targets }) => target in targets).map(({ torch }) => torch),
]
const nativeParts = (target) => [
  `prebuilds/${target}/loader.node`,
  ...versionsOf(target).map(
    (torch) => `prebuilds/${target}/torch-${torch.split('.', 2).join('.')}/wuerstchen.node`,
  ),
]

function npm(args, options = {}) {
  return execFileSync(process.execPath, [NPM, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  })
}

function isPublished(name, version) {
  try {
    return npm(['view', `${name}@${version}`, 'version']).trim() === version
  } catch {
    return false // npm answers E404 for a name that nobody has used
  }
}

function publish(tarball, options) {
  console.log(`publishing ${tarball}`)
  npm(['publish', tarball, '--access', 'public', '--ignore-scripts', ...options], { stdio: 'inherit' })
}

function main() {
  const { values } = parseArgs({
    options: {
      check: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      tag: { type: 'string' },
      from: { type: 'string', default: TARBALLS },
    },
  })
  refuseOtherVersion(values.tag)
  const missing = lacking(values.from)
  if (missing.length > 0) {
    console.error(`Expected a complete release in ${values.from} but these are missing:`)
    for (const what of missing) console.error(`  - ${what}`)
    process.exitCode = 1
  } else if (values.check) {
    console.log(`complete: ${values.from}`)
  } else {
    publishAll(values.from, values['dry-run'] ? ['--dry-run'] : ['--provenance'])
  }
}

function refuseOtherVersion(tag) {
  const { version } = checkoutManifest()
  if (tag !== undefined && tag !== `v${version}`)
    throw new Error(`Expected the tag v${version}, for the version of package.json, but received ${tag}`)
}

function publishAll(folder, options) {
  for (const target of TARGETS) {
    const name = libtorchPackage(target)
    if (isPublished(name, LIBTORCH.torch)) console.log(`published already: ${name}@${LIBTORCH.torch}`)
    else publish(join(folder, libtorchTarball(target)), options)
  }
  publish(join(folder, mainTarball()), options)
}

if (import.meta.filename === process.argv[1]) main()
