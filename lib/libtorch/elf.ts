/** What the headers of an ELF file, a library of Linux, say about it. A few KB are read; nothing is opened by the linker. */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'

export interface Elf {
  /** Bytes that the file has. */
  readonly size: number
  /** Bytes that its headers speak of: the linker maps them without a look at the size, and reading behind it is a SIGBUS. */
  readonly expected: number
  /** As `process.arch` has it, or ELF's own number of it. */
  readonly arch: string
  /** Names of the libraries that it needs. */
  readonly needed: readonly string[]
  /** Folders in which it looks for them first. */
  readonly folders: readonly string[]
}

const HEADER_BYTES = 64
const SEGMENT_BYTES = 56
const ENTRY_BYTES = 16
const SHORT_NAME = 64
const LONGEST_NAME = 4096
const LOADED = 1
const DYNAMIC = 2
const TAGS = { needed: 1, strings: 5, rpath: 15, runpath: 29 }
const ARCHITECTURES: Readonly<Record<number, string>> = { 3: 'ia32', 40: 'arm', 62: 'x64', 183: 'arm64' }

/** Null for what is no ELF file, or cannot be read: who opens it is told why. */
export function readElf(path: string): Elf | null {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return null
  }
  try {
    const { size } = fstatSync(file)
    return parse({ at: (start, length) => readAt(file, start, length), size }, dirname(path))
  } catch {
    return null
  } finally {
    closeSync(file)
  }
}

interface File {
  readonly size: number
  /** As many bytes as are there. */
  readonly at: (start: number, length: number) => Buffer
}

interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: number
  readonly length: number
}

function parse(file: File, folder: string): Elf | null {
  const header = file.at(0, HEADER_BYTES)
  if (!header.subarray(0, 4).equals(Buffer.from('\x7fELF'))) return null
  const nothing = { size: file.size, needed: [], folders: [] }
  if (header.length < HEADER_BYTES) return { ...nothing, expected: HEADER_BYTES, arch: process.arch }
  const isLittle = header[5] === 1
  const machine = isLittle ? header.readUInt16LE(18) : header.readUInt16BE(18)
  const arch = ARCHITECTURES[machine] ?? `machine ${machine} of ELF`
  // All that this package supports have 64 bits, the lowest first.
  if (header[4] !== 2 || !isLittle) return { ...nothing, expected: 0, arch }
  const start = number(header, 32)
  const count = header.readUInt16LE(56)
  const sections = number(header, 40) + header.readUInt16LE(58) * header.readUInt16LE(60)
  const segments = segmentsOf(file.at(start, count * SEGMENT_BYTES))
  const ends = segments.map(({ offset, length }) => offset + length)
  const expected = Math.max(start + count * SEGMENT_BYTES, sections, ...ends)
  if (expected > file.size) return { ...nothing, expected, arch }
  return { ...nothing, expected, arch, ...dynamicOf(file, segments, folder) }
}

function segmentsOf(table: Buffer): Segment[] {
  return Array.from({ length: Math.floor(table.length / SEGMENT_BYTES) }, (_, index) => {
    const segment = table.subarray(index * SEGMENT_BYTES)
    return {
      type: segment.readUInt32LE(0),
      offset: number(segment, 8),
      address: number(segment, 16),
      length: number(segment, 32),
    }
  })
}

/** The names in the dynamic section. Their texts are read one by one: a table of all names may have megabytes. */
function dynamicOf(
  file: File,
  segments: readonly Segment[],
  folder: string,
): Pick<Elf, 'needed' | 'folders'> {
  const section = segments.find(({ type }) => type === DYNAMIC)
  if (section === undefined) return { needed: [], folders: [] }
  const table = file.at(section.offset, section.length)
  const entries: [number, number][] = []
  for (let at = 0; at + ENTRY_BYTES <= table.length; at += ENTRY_BYTES)
    entries.push([number(table, at), number(table, at + 8)])
  const values = (...tags: number[]) =>
    entries.filter(([tag]) => tags.includes(tag)).map(([, value]) => value)
  const strings = values(TAGS.strings)[0] ?? 0
  const home = segments.find(
    ({ type, address, length }) => type === LOADED && address <= strings && strings < address + length,
  )
  if (home === undefined) return { needed: [], folders: [] }
  const text = (offset: number) => textAt(file, strings - home.address + home.offset + offset)
  return {
    needed: values(TAGS.needed).map(text),
    folders: values(TAGS.rpath, TAGS.runpath)
      .flatMap((offset) => text(offset).split(':'))
      .filter((path) => path !== '')
      .map((path) => path.replace(/\$(ORIGIN|\{ORIGIN\})/g, folder)),
  }
}

function textAt(file: File, start: number): string {
  const short = file.at(start, SHORT_NAME)
  const bytes = short.includes(0) ? short : file.at(start, LONGEST_NAME)
  return bytes.toString('utf8', 0, Math.max(0, bytes.indexOf(0)))
}

function number(bytes: Buffer, at: number): number {
  // Quicker than a bigint of eight bytes, and as good: no file is that long.
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32
}

function readAt(file: number, start: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  return bytes.subarray(0, readSync(file, bytes, 0, length, start))
}
