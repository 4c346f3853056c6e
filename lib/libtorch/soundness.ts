/** Whether libraries can be opened, as far as their own headers tell: a fault is said before the linker meets it. */

import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isThere } from '../files/probe'
import { type Elf, readElf } from './elf'

/** What is wrong with a library. */
export interface LibraryFault {
  readonly file: string
  readonly reason: string
  /** Bytes, where the file is cut short. */
  readonly expected?: number
  readonly received?: number
  /** The library that it needs and the system lacks. */
  readonly missing?: string
}

/** The driver's own, which a container gets when it starts. */
const OF_THE_DRIVER = ['libcuda.so', 'libnvidia-ml.so']

/** What is wrong with the file itself: cut short, or for another machine. Null for what is sound, or no ELF file. */
export function damageOf(file: string): LibraryFault | null {
  const elf = readElf(file, 'without names')
  return elf && faultOf(file, elf)
}

/** The first fault among libraries that are opened in this order; null where none is seen. Other formats than ELF pass. */
export function faultAmong(paths: readonly string[]): LibraryFault | null {
  const read = paths.map((path) => [path, readElf(path)] as const)
  for (const [path, elf] of read) {
    const fault = elf && faultOf(path, elf)
    if (fault !== null) return fault
  }
  // One that was opened is found by its name.
  const known = new Set(paths.map((path) => basename(path)))
  const has = systemSearch()
  for (const [file, elf] of read) {
    const missing = elf?.needed.find((name) => {
      if (known.has(name) || OF_THE_DRIVER.some((start) => name.startsWith(start))) return false
      if (!has(name, [dirname(file), ...elf.folders])) return true
      known.add(name)
      return false
    })
    if (missing)
      return { file, reason: `${basename(file)} needs ${missing}, which this system lacks`, missing }
  }
  return null
}

/** A file that is shorter than its headers say, or for another machine. */
function faultOf(file: string, { size, expected, arch }: Elf): LibraryFault | null {
  if (arch === process.arch && expected <= size) return null
  const name = basename(file)
  if (arch !== process.arch)
    return { file, reason: `${name} is for ${arch}, but this Node is for ${process.arch}` }
  const reason = `${name} is cut short: expected at least ${expected} bytes but it has ${size}`
  return { file, reason, expected, received: size }
}

/** Tells whether the system has a library. Where its list cannot be read it may have any: the linker knows better. */
function systemSearch(): (name: string, first: readonly string[]) => boolean {
  let list: string | null | undefined
  return (name, first) => {
    if (list === undefined) list = readList()
    if (list === null || list.includes(`/${name}\0`)) return true
    return [...first, ...systemFolders()].some((folder) => isThere(join(folder, name))) || isOpen(name)
  }
}

function systemFolders(): readonly string[] {
  return [
    ...(process.env.LD_LIBRARY_PATH ?? '').split(/[:;]/).filter((folder) => folder !== ''),
    // Such as conda's Node, which brings libraries along.
    join(dirname(process.execPath), '..', 'lib'),
    ...['/lib64', '/usr/lib64', '/lib', '/usr/lib'],
  ]
}

/** Not all of it is text, but names are; and as text it is read in one call, and searched faster. */
function readList(): string | null {
  try {
    return readFileSync('/etc/ld.so.cache', 'utf8')
  } catch {
    return null
  }
}

/** Whether this process has it already. Slow, and so asked last. */
function isOpen(name: string): boolean {
  const { sharedObjects = [] } = process.report.getReport() as { sharedObjects?: readonly string[] }
  return sharedObjects.some((path) => basename(path) === name)
}
