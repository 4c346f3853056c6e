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
/** The header and the segments of most files: one read. */
const HEAD_BYTES = 2048
const LONGEST_NAME = 4096
const MAGIC = 0x464c457f // '\x7fELF'
const LOADED = 1
const DYNAMIC = 2
const TAGS = { needed: 1, strings: 5, rpath: 15, runpath: 29 }
const ARCHITECTURES: Readonly<Record<number, string>> = { 3: 'ia32', 40: 'arm', 62: 'x64', 183: 'arm64' }

/**
 * Null for what is no ELF file, or cannot be read: who opens it is told why. This runs at every start, before anything is
 * compiled: few functions and views of words instead of a Buffer's methods are most of its speed.
 */
export function readElf(path: string, names: 'with names' | 'without names' = 'with names'): Elf | null {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return null
  }
  try {
    return parse(file, fstatSync(file).size, names === 'with names' ? path : null)
  } catch {
    return null
  } finally {
    closeSync(file)
  }
}

/** Bytes of a file from `start` on, as many as are there; numbers are read by their distance from it, a multiple of 4. */
class Part {
  private readonly words: Uint32Array
  readonly bytes: Buffer
  readonly length: number

  constructor(
    file: number,
    readonly start: number,
    length: number,
  ) {
    // Not of a pool: its words would not be aligned.
    this.words = new Uint32Array((length + 3) >> 2)
    this.bytes = Buffer.from(this.words.buffer)
    this.length = readSync(file, this.words, 0, length, start)
  }

  word(at: number): number {
    return this.words[at >> 2] ?? 0
  }

  /** Of eight bytes. No file is so long that it would be rounded. */
  long(at: number): number {
    return this.word(at) + this.word(at + 4) * 2 ** 32
  }

  /** Where the zero is that ends a text at this place of the file; -1 where this part has not all of it. */
  endOfText(place: number): number {
    let at = place - this.start
    if (at < 0) return -1
    while (at < this.length && this.bytes[at] !== 0) at++
    return at < this.length ? at : -1
  }
}

/** `path`: null where nobody asks for names. */
function parse(file: number, size: number, path: string | null): Elf | null {
  const head = new Part(file, 0, HEAD_BYTES)
  if (head.length < 4 || head.word(0) !== MAGIC) return null
  const nothing = { size, needed: [], folders: [] }
  if (head.length < HEADER_BYTES) return { ...nothing, expected: HEADER_BYTES, arch: process.arch }
  const isLittle = head.bytes[5] === 1
  const machine = isLittle ? head.word(16) >>> 16 : head.bytes.readUInt16BE(18)
  const arch = ARCHITECTURES[machine] ?? `machine ${machine} of ELF`
  // All that this package supports have 64 bits, the lowest first.
  if (head.bytes[4] !== 2 || !isLittle) return { ...nothing, expected: 0, arch }
  const start = head.long(32)
  const length = (head.word(56) & 0xffff) * SEGMENT_BYTES
  const sections = head.long(40) + (head.word(56) >>> 16) * (head.word(60) & 0xffff)
  const isInHead = start % 4 === 0 && start + length <= head.length
  const table = isInHead ? head : new Part(file, start, length)
  const segments = segmentsOf(table, start - table.start, length)
  let expected = Math.max(start + length, sections)
  for (const segment of segments) expected = Math.max(expected, segment.offset + segment.length)
  if (expected > size || path === null) return { ...nothing, expected, arch }
  return { size, expected, arch, ...dynamicOf(file, segments, path) }
}

interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: number
  readonly length: number
}

function segmentsOf(table: Part, start: number, length: number): Segment[] {
  const segments: Segment[] = []
  for (let at = start; at + SEGMENT_BYTES <= Math.min(start + length, table.length); at += SEGMENT_BYTES)
    segments.push({
      type: table.word(at),
      offset: table.long(at + 8),
      address: table.long(at + 16),
      length: table.long(at + 32),
    })
  return segments
}

/** The names in the dynamic section. Their texts are read as they come: a table of all names may have megabytes. */
function dynamicOf(file: number, segments: readonly Segment[], path: string) {
  const needed: string[] = []
  const folders: string[] = []
  const section = segments.find(({ type }) => type === DYNAMIC)
  if (section === undefined) return { needed, folders }
  const table = new Part(file, section.offset, section.length)
  const strings = stringsOf(table, segments)
  if (strings === null) return { needed, folders }
  let near = table
  for (let at = 0; at + ENTRY_BYTES <= table.length; at += ENTRY_BYTES) {
    const tag = table.long(at)
    if (tag !== TAGS.needed && tag !== TAGS.rpath && tag !== TAGS.runpath) continue
    const start = strings + table.long(at + 8)
    if (near.endOfText(start) < 0) near = new Part(file, start, LONGEST_NAME)
    const text = near.bytes.toString('utf8', start - near.start, near.endOfText(start))
    if (tag === TAGS.needed) needed.push(text)
    else folders.push(...foldersIn(text, dirname(path)))
  }
  return { needed, folders }
}

/** Where the table of names begins in the file: what is written down is its address. */
function stringsOf(table: Part, segments: readonly Segment[]): number | null {
  let strings = 0
  for (let at = 0; at + ENTRY_BYTES <= table.length && strings === 0; at += ENTRY_BYTES)
    if (table.long(at) === TAGS.strings) strings = table.long(at + 8)
  const home = segments.find(
    ({ type, address, length }) => type === LOADED && address <= strings && strings < address + length,
  )
  return home === undefined ? null : strings - home.address + home.offset
}

function foldersIn(text: string, folder: string): string[] {
  const paths = text.replaceAll(/\$(ORIGIN|\{ORIGIN\})/g, () => folder)
  return paths.split(':').filter((path) => path !== '')
}
