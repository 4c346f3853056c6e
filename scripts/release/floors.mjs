/**
 * The oldest system libraries that a binary of ours loads with, and the check:
 * `node scripts/release/floors.mjs [--libtorch FOLDER] FILE...`.
 *
 * A binary names the version of every symbol that it needs. The floors are those of manylinux_2_28, which the official
 * builds of libtorch keep too: AlmaLinux 8, Debian 10, Ubuntu 20.04 and all that is newer.
 */
import { execFileSync } from 'node:child_process'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

/** By the prefix of a symbol's version. */
export const FLOORS = {
  GLIBC: '2.28',
  GLIBCXX: '3.4.24', // GCC 8
  CXXABI: '1.3.11',
  GCC: '7.0.0',
  GOMP: '4.5',
  OMP: '4.5',
}

/** Functions without a version whose library is there before the binary: Node's, CUDA's, and libtorch's for CUDA. */
const OF_OTHERS = /^((napi|node_api)_|cuda[A-Z]|_ZNK?(3c10|2at)4cuda)/

/** 2.28 against 2.3: a number by number, not by text. */
export function isAbove(version, floor) {
  const [a, b] = [version, floor].map((text) => text.split('.').map(Number))
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return false
}

/** Prefix and number of a version; null for one that no floor is about, as GLIBC_PRIVATE. */
export function versionOf(text) {
  const [, prefix, number] = /^([A-Z]+)_([\d.]+)$/.exec(text) ?? []
  return prefix in FLOORS ? { prefix, number } : null
}

/** `{ name, version, weak, defined, type, size }` of each dynamic symbol; a null version for none. */
export function symbolsOf(file, readelf = 'readelf') {
  const output = execFileSync(readelf, ['--wide', '--dyn-syms', file], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  return output.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/)
    if (!/^\d+:$/.test(fields[0]) || fields.length < 8) return []
    const [, , size, type, binding, , section, symbol] = fields
    const [name, version = null] = symbol.split(/@+/)
    return [{ name, version, weak: binding === 'WEAK', defined: section !== 'UND', type, size: Number(size) }]
  })
}

/** The names that libtorch's libraries define, among them some of newer versions of the C++ library. */
export const namesOfLibtorch = (libtorch) =>
  new Set(
    ['libtorch_cpu.so', 'libc10.so']
      .flatMap((name) => symbolsOf(join(libtorch, 'lib', name)))
      .filter(({ defined }) => defined)
      .map(({ name }) => name),
  )

/** What a binary needs beyond the floors and `provided`, a line each; empty for one that keeps them. */
export function violations(file, provided = new Set()) {
  const needed = symbolsOf(file).filter(({ defined, name }) => !defined && name !== '')
  if (!needed.some(({ version }) => version !== null))
    throw new Error(`Expected ${file} to name versions of what it needs but it names none`)
  return needed.flatMap(({ name, version, weak }) => {
    if (version === null)
      return weak || OF_OTHERS.test(name) || provided.has(name)
        ? []
        : [`${name}, which the oldest libraries lack`]
    const found = versionOf(version)
    if (found === null) return [`${name} of ${version}, which has no floor`]
    return isAbove(found.number, FLOORS[found.prefix]) ? [`${name} of ${version}`] : []
  })
}

/** The highest version of each kind that a binary needs. */
export function highestOf(file) {
  const highest = {}
  for (const { version, defined } of symbolsOf(file)) {
    const found = defined || version === null ? null : versionOf(version)
    if (found === null) continue
    if (!(found.prefix in highest) || isAbove(found.number, highest[found.prefix]))
      highest[found.prefix] = found.number
  }
  return highest
}

/** @throws where one of the files needs more than the floors. */
export function checkFloors(files, libtorch) {
  const provided = libtorch ? namesOfLibtorch(libtorch) : new Set()
  const stated = Object.entries(FLOORS).map(([prefix, number]) => `${prefix}_${number}`)
  const failures = files.flatMap((file) =>
    violations(file, provided).map((line) => `  ${basename(file)}: ${line}`),
  )
  if (failures.length === 0) return
  throw new Error(`Expected nothing newer than ${stated.join(', ')} but found\n${failures.join('\n')}`)
}

function main() {
  const { values, positionals: files } = parseArgs({
    options: { libtorch: { type: 'string' } },
    allowPositionals: true,
  })
  if (files.length === 0) throw new Error('Expected files to check but received none')
  checkFloors(files, values.libtorch)
  for (const file of files) {
    const highest = Object.entries(highestOf(file)).map(([prefix, number]) => `${prefix}_${number}`)
    console.log(`${file}: needs ${highest.join(', ')}`)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    main()
  } catch (error) {
    console.error(`floors: ${error.message}`)
    process.exitCode = 1
  }
}
