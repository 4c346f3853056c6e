/**
 * The headers of .safetensors files. What is read here decides which bytes of a mapped file the native side takes for a
 * tensor, so a header is believed in nothing that the file cannot prove.
 */

import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ModelError, show } from '../errors'
import { absolute } from '../files/absolute'
import { isObject, readJson } from '../files/json'
import { mistakenForWeights, SNIFFED_BYTES } from '../files/mistaken-file'
import { openRegular } from '../files/open'
import { volume } from '../tensors/shape'
import { type SafetensorsDtype, STORED_BYTES } from '../tensors/stored'

export interface SafetensorsTensor {
  readonly dtype: SafetensorsDtype
  readonly shape: readonly number[]
  /** Absolute offset of the first byte in the file. */
  readonly offset: number
  readonly bytes: number
}

export interface SafetensorsHeader {
  /** Absolute path. */
  readonly file: string
  readonly metadata: Readonly<Record<string, string>>
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>
}

const LENGTH_BYTES = 8
const LONGEST_HEADER = 100_000_000

/** Reads and checks the header of one .safetensors file. The weights themselves are not read. */
export async function readHeader(file: string): Promise<SafetensorsHeader> {
  const path = absolute(file)
  return headerOf(await readHeaderText(path), path)
}

/** The same of a file's bytes, which messages call `name`; offsets are those of the bytes. */
export function parseBytes(bytes: Uint8Array, name: string): SafetensorsHeader {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < LENGTH_BYTES)
    throw invalid(name, `Expected at least ${LENGTH_BYTES} bytes but found ${buffer.length}`)
  refuseMistaken(buffer, name)
  const length = checkLength(buffer, buffer.length, name)
  const dataStart = LENGTH_BYTES + length
  const text = decode(buffer.subarray(LENGTH_BYTES, dataStart), name)
  return headerOf({ text, dataStart, size: buffer.length }, name)
}

interface HeaderText {
  readonly text: string
  /** First byte after the header. */
  readonly dataStart: number
  /** Of the whole file. */
  readonly size: number
}

function headerOf({ text, dataStart, size }: HeaderText, path: string): SafetensorsHeader {
  const { __metadata__: metadata, ...entries } = parseHeader(text, path)
  const tensors = new Map<string, SafetensorsTensor>()
  for (const [name, entry] of Object.entries(entries))
    tensors.set(name, tensorOf(name, entry, dataStart, path))
  checkLayout(tensors, dataStart, size, path)
  return { file: path, metadata: metadataOf(metadata, path), tensors }
}

function invalid(file: string, what: string, { tensor, cause }: { tensor?: string; cause?: unknown } = {}) {
  const subject = tensor === undefined ? file : `${file}: tensor ${show(tensor)}`
  return new ModelError('WEIGHTS_INVALID', `${subject}: ${what}`, { cause, details: { file, tensor } })
}

/** Of the header, as the `start` of a file of `size` bytes says. */
function checkLength(start: Buffer, size: number, file: string): number {
  const length = Number(start.readBigUInt64LE())
  const most = Math.min(size - LENGTH_BYTES, LONGEST_HEADER)
  if (length <= most) return length
  const what = start.length > LENGTH_BYTES && start[LENGTH_BYTES] !== 0x7b ? 'no safetensors file' : 'cut off'
  throw invalid(
    file,
    `Expected a header of at most ${most} bytes but its length says ${length}: the file is ${what}`,
  )
}

function refuseMistaken(start: Uint8Array, file: string): void {
  const mistaken = mistakenForWeights(start)
  if (mistaken !== null) throw invalid(file, `Expected safetensors but it is ${mistaken}`)
}

async function readHeaderText(file: string): Promise<HeaderText> {
  return reading(file, async (handle) => {
    const { size } = await handle.stat()
    const start = await readExactly(handle, 0, Math.max(LENGTH_BYTES, Math.min(size, SNIFFED_BYTES)), file)
    refuseMistaken(start, file)
    const length = checkLength(start, size, file)
    const header = await readExactly(handle, LENGTH_BYTES, length, file)
    return { text: decode(header, file), dataStart: LENGTH_BYTES + length, size }
  })
}

/** Bytes of a tensor, for those that are needed as numbers here. */
export async function readTensor(
  file: string,
  { offset, bytes }: Pick<SafetensorsTensor, 'offset' | 'bytes'>,
): Promise<Buffer> {
  return reading(file, (handle) => readExactly(handle, offset, bytes, file))
}

async function reading<T>(file: string, work: (handle: FileHandle) => Promise<T>): Promise<T> {
  try {
    const handle = await openRegular(file)
    try {
      return await work(handle)
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (cause instanceof ModelError) throw cause
    throw invalid(file, `Expected a file that can be read but ${(cause as Error).message}`, { cause })
  }
}

async function readExactly(
  handle: FileHandle,
  position: number,
  length: number,
  file: string,
): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let read = 0
  while (read < length) {
    const { bytesRead } = await handle.read(buffer, read, length - read, position + read)
    if (bytesRead === 0)
      throw invalid(file, `Expected ${position + length} bytes but the file ends at ${position + read}`)
    read += bytesRead
  }
  return buffer
}

function decode(header: Buffer, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header)
  } catch (cause) {
    throw invalid(file, 'Expected a header in UTF-8', { cause })
  }
}

function parseHeader(text: string, file: string): Readonly<Record<string, unknown>> {
  let header: unknown
  try {
    header = JSON.parse(text)
  } catch (cause) {
    throw invalid(file, `Expected a header in JSON but ${(cause as Error).message}`, { cause })
  }
  if (!isObject(header) || !text.startsWith('{')) throw invalid(file, 'Expected the header to be an object')
  // JSON.parse keeps the last of two equal keys: another reader may keep the first.
  if (keysWritten(text) !== keysRead(header)) throw invalid(file, 'Expected no key twice in the header')
  return header
}

/** How many keys the text spells: strings that a colon follows. */
function keysWritten(text: string): number {
  let count = 0
  for (const [, colon] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"\s*(:)?/gs)) if (colon) count++
  return count
}

/** How many keys the parsed header has, at any depth. */
function keysRead(header: unknown): number {
  let count = 0
  for (const waiting = [header]; waiting.length > 0; ) {
    const value = waiting.pop()
    if (typeof value !== 'object' || value === null) continue
    if (!Array.isArray(value)) count += Object.keys(value).length
    waiting.push(...Object.values(value))
  }
  return count
}

function metadataOf(metadata: unknown, file: string): Readonly<Record<string, string>> {
  if (metadata === undefined) return {}
  if (!isObject(metadata))
    throw invalid(file, `Expected __metadata__ to be an object but found ${show(metadata)}`)
  for (const [name, value] of Object.entries(metadata)) {
    if (typeof value !== 'string')
      throw invalid(file, `Expected __metadata__.${name} to be a string but found ${show(value)}`)
  }
  return metadata as Readonly<Record<string, string>>
}

function tensorOf(name: string, entry: unknown, dataStart: number, file: string): SafetensorsTensor {
  const wrong = (what: string, received: unknown) =>
    invalid(file, `Expected ${what} but found ${show(received)}`, { tensor: name })
  if (!isObject(entry)) throw wrong('an object', entry)
  const { dtype, shape, data_offsets: offsets, ...others } = entry
  if (Object.keys(others).length > 0) throw wrong('dtype, shape and data_offsets only', Object.keys(others))
  if (typeof dtype !== 'string' || !Object.hasOwn(STORED_BYTES, dtype)) throw wrong('a known dtype', dtype)
  if (!isSizes(shape)) throw wrong('shape to be a list of sizes', shape)
  if (!isSizes(offsets) || offsets.length !== 2) throw wrong('data_offsets to be two sizes', offsets)
  const [begin, end] = offsets as [number, number]
  const bytes = STORED_BYTES[dtype as SafetensorsDtype] * volume(shape)
  if (end - begin !== bytes)
    throw wrong(`data_offsets of ${bytes} bytes for ${dtype} ${show(shape)}`, offsets)
  return { dtype: dtype as SafetensorsDtype, shape, offset: dataStart + begin, bytes }
}

/** Sizes that are exact as numbers. A product of them beyond 2^53 equals no difference of two such offsets. */
function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}

/** The tensors follow each other without gap or overlap, from the end of the header to the end of the file. */
function checkLayout(
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  dataStart: number,
  size: number,
  file: string,
): void {
  const inOrder = Array.from(tensors).sort(([, a], [, b]) => a.offset - b.offset || a.bytes - b.bytes)
  let end = dataStart
  for (const [name, { offset, bytes }] of inOrder) {
    if (offset !== end)
      throw invalid(file, `Expected its data to start at byte ${end} but it says ${offset}`, { tensor: name })
    end += bytes
  }
  if (end !== size) throw invalid(file, `Expected ${end} bytes but the file has ${size}`)
}

/** The shards that a `.safetensors.index.json` names, as absolute paths, each once. */
export async function readShardIndex(file: string): Promise<readonly string[]> {
  const path = absolute(file)
  const { weight_map: map } = await readJson(path)
  if (!isObject(map) || Object.keys(map).length === 0)
    throw invalid(path, 'Expected weight_map to name at least one tensor')
  const names = new Set(Object.values(map))
  return Array.from(names, (name) => join(dirname(path), shardName(name, path)))
}

/** A file beside the index: an index from elsewhere must not lead out of its folder. */
function shardName(name: unknown, index: string): string {
  if (typeof name === 'string' && /^[^/\\:\0]+\.safetensors$/.test(name)) return name
  throw invalid(index, `Expected weight_map to name .safetensors files beside it but found ${show(name)}`)
}
