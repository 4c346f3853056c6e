/**
 * Makes the platform packages of libtorch: `node scripts/release/libtorch.mjs [--target linux-x64,... | all]`.
 * Each is libraries of the official wheel under their own names, without symbols for debuggers, and their licences.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { at } from '../tooling/places.mjs'
import { run } from '../tooling/shell.mjs'
import { dropStamp, hashOf, readStamp, writeStamp } from '../tooling/stamps.mjs'
import { writeLicenses } from './licenses.mjs'
import { sharedFields } from './manifest.mjs'
import {
  chosenTargets,
  LIBTORCH,
  libtorchPackage,
  PACKAGES,
  RELEASE,
  THIS_TARGET,
  UNPACKED,
} from './places.mjs'
import { extract, namesIn, wheelOf } from './wheels.mjs'

const log = join(RELEASE, 'libtorch.log')
const wanted = new RegExp(LIBTORCH.wanted)
const leftOut = new RegExp(LIBTORCH.leftOut)

/** The folder of a target's package, made where it is missing or out of date. */
export async function makeLibtorch(target) {
  const destination = join(PACKAGES, `libtorch-${target}`)
  const stamp = `release-libtorch-${target}`
  const inputs = hashOf(
    ['packages/libtorch', 'scripts/release/libtorch.mjs', 'scripts/release/licenses.mjs'],
    [],
  )
  if (existsSync(destination) && readStamp(stamp) === inputs) return destination
  dropStamp(stamp)
  rmSync(destination, { recursive: true, force: true })
  await fill(target, destination)
  writeStamp(stamp, inputs)
  return destination
}

async function fill(target, destination) {
  const wheel = await wheelOf(target)
  const names = await namesIn(wheel)
  const libraries = names.filter(isWanted)
  const licences = names.filter((name) => /\.dist-info\/licenses\//.test(name) && !name.endsWith('/'))
  if (libraries.length === 0) throw new Error(`Expected libraries in ${basename(wheel)} but found none`)
  const unpacked = join(UNPACKED, target)
  rmSync(unpacked, { recursive: true, force: true })
  await extract(wheel, [...libraries, ...licences], unpacked)

  mkdirSync(join(destination, 'lib'), { recursive: true })
  for (const path of libraries) {
    const library = join(destination, 'lib', basename(path))
    renameSync(join(unpacked, path), library)
    chmodSync(library, 0o644)
  }
  await strip(target, join(destination, 'lib'))
  writeLicenses(target, unpacked, licences, destination)
  writeTexts(target, destination)
  rmSync(unpacked, { recursive: true, force: true })
}

function isWanted(name) {
  const file = /^torch\/lib\/([^/]+)$/.exec(name)?.[1]
  return file !== undefined && wanted.test(file) && !leftOut.test(file)
}

/** Symbols for debuggers are a fifth of the bytes. What the dynamic linker reads stays. */
async function strip(target, folder) {
  const { strip: programs } = LIBTORCH.targets[target]
  if (programs === null) return // Microsoft's and Apple's linkers keep them in files of their own
  const program = target === THIS_TARGET ? programs[0] : programs[1]
  const libraries = readdirSync(folder).map((name) => join(folder, name))
  await run(program, ['--strip-unneeded', ...libraries], { log })
}

/** package.json of a target's package. */
export function libtorchManifest(target) {
  const { os, cpu, libc } = LIBTORCH.targets[target]
  return {
    name: libtorchPackage(target),
    version: LIBTORCH.torch,
    description: `libtorch ${LIBTORCH.torch} for the CPU on ${target}, for the package wuerstchen`,
    license: 'SEE LICENSE IN LICENSE',
    ...sharedFields('packages/libtorch'),
    os,
    cpu,
    ...(libc && { libc }),
    files: ['lib', 'licenses', 'build-version'],
    exports: { './package.json': './package.json', './lib/*': './lib/*' },
    // Yarn would keep it zipped, and a library is opened by its path.
    preferUnplugged: true,
    publishConfig: { access: 'public' },
  }
}

function writeTexts(target, destination) {
  const { requirement, wheel, sha256, strip: programs } = LIBTORCH.targets[target]
  const write = (name, text) => writeFileSync(join(destination, name), text)
  // Beside `lib/`, as in libtorch's own archives: the version is read there.
  write('build-version', `${requirement.replace('torch==', '')}\n`)
  write('package.json', `${JSON.stringify(libtorchManifest(target), null, 2)}\n`)
  const stripped = programs ? ', without symbols for debuggers' : ''
  const facts = { target, torch: LIBTORCH.torch, wheel, sha256, stripped }
  const readme = readFileSync(at('packages', 'libtorch', 'README.md'), 'utf8')
  write(
    'README.md',
    readme.replace(/\{(\w+)\}/g, (_, name) => facts[name]),
  )
}

if (import.meta.filename === process.argv[1]) {
  const { values } = parseArgs({ options: { target: { type: 'string' } } })
  for (const target of chosenTargets(values.target, [THIS_TARGET])) {
    console.log(`${libtorchPackage(target)}: ${await makeLibtorch(target)}`)
  }
}
