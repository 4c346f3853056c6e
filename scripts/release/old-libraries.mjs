/**
 * Stand-ins for the system's libraries as they were at the floors, to link against:
 * `node scripts/release/old-libraries.mjs --compiler g++ --out FOLDER`.
 *
 * Each of this system's libraries still has its symbols' older versions. A stand-in has, of each symbol, the newest
 * version that is not above the floor, and no code. What a binary needs and the stand-ins lack is in cpp/portable.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { FLOORS, isAbove, symbolsOf, versionOf } from './floors.mjs'

const LOADERS = { x86_64: 'ld-linux-x86-64.so.2', aarch64: 'ld-linux-aarch64.so.1' }

function main() {
  const { values } = parseArgs({ options: { compiler: { type: 'string' }, out: { type: 'string' } } })
  const { compiler, out } = values
  if (!compiler || !out) throw new Error('Expected --compiler and --out')
  const ask = (...args) => execFileSync(compiler, args, { encoding: 'utf8' }).trim()
  const pathOf = (name) => {
    const path = ask(`-print-file-name=${name}`)
    if (path === name) throw new Error(`Expected ${compiler} to know ${name} but it does not`)
    return path
  }
  const machine = ask('-dumpmachine').split('-')[0]
  const loader = LOADERS[machine]
  if (!loader)
    throw new Error(`Expected a compiler for ${Object.keys(LOADERS).join(' or ')} but found ${machine}`)

  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const make = (name) => makeStandIn(compiler, pathOf(name), name, out)
  make('libstdc++.so.6')
  make('libm.so.6')
  make('libc.so.6')
  make(loader)
  // What is static in the C library, as atexit, comes from it as ever. Both of the others are empty in newer ones, and
  // have to be named for the older ones.
  const others = ['libpthread.so.0', 'libdl.so.2'].map(pathOf)
  const script = (name, files) => writeFileSync(join(out, name), `INPUT ( ${files.join(' ')} )\n`)
  script('libstdc++.so', [join(out, 'libstdc++.so.6')])
  script('libm.so', [join(out, 'libm.so.6')])
  script('libc.so', [
    join(out, 'libc.so.6'),
    ...others,
    pathOf('libc_nonshared.a'),
    `AS_NEEDED ( ${join(out, loader)} )`,
  ])
}

function makeStandIn(compiler, library, name, out) {
  const chosen = newestUnderFloors(symbolsOf(library))
  if (chosen.size === 0) throw new Error(`Expected versions of symbols in ${library} but found none`)
  const versions = [...new Set([...chosen.values()].map(({ version }) => version))]
  const source = join(out, `${name}.s`)
  const map = join(out, `${name}.map`)
  writeFileSync(source, [...chosen.values()].map(assemblyOf).join(''))
  writeFileSync(map, versions.map((version) => `${version} { };\n`).join(''))
  execFileSync(compiler, [
    '-shared',
    '-nostdlib',
    `-Wl,-soname,${name},--version-script,${map}`,
    ...['-o', join(out, name), source],
  ])
}

function newestUnderFloors(symbols) {
  const chosen = new Map()
  for (const symbol of symbols) {
    const found = symbol.defined && symbol.version !== null ? versionOf(symbol.version) : null
    if (found === null || symbol.name === symbol.version) continue // a version defines itself, too
    if (symbol.type === 'TLS' || isAbove(found.number, FLOORS[found.prefix])) continue
    const before = chosen.get(symbol.name)
    if (before && isAbove(versionOf(before.version).number, found.number)) continue
    chosen.set(symbol.name, symbol)
  }
  return chosen
}

function assemblyOf({ name, version, type, size }, index) {
  const object = type === 'OBJECT'
  const local = `stand_in_${index}`
  return [
    object ? '.data' : '.text',
    `.globl ${local}`,
    `.type ${local}, ${object ? '%object' : '%function'}`,
    `.size ${local}, ${size}`,
    `${local}:`,
    object ? `.zero ${size}` : '.byte 0',
    `.symver ${local}, ${name}@@${version}, remove`,
    '',
  ].join('\n')
}

try {
  main()
} catch (error) {
  console.error(`old-libraries: ${error.message}`)
  process.exitCode = 1
}
