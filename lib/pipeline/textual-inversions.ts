/**
 * Textual inversion: words whose vectors were learnt. A vector takes the row of a token that no text ever has, as a change of
 * rank 1 for each, so that it is loaded and unloaded as a LoRA is, to the last bit.
 */

import { randomUUID } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, extname, join } from 'node:path'
import { checkNames } from '../checks/names'
import * as check from '../checks/values'
import { checkPath, decode, encode, readBytes } from '../embeddings/safetensors'
import { expected, InvalidArgumentError, ModelError } from '../errors'
import { saveFile } from '../files/save'
import type { Loras } from '../loading/loras'
import type { LoraChange, LoraTensor } from '../model/lora'
import { readHeader } from '../model/safetensors'
import type { StoredDtype, WeightBinding } from '../native/types'
import type { TextReader, TextReaders } from '../request/texts'
import type { FloatTensor } from '../tensors/float-tensor'
import { numbersOf } from '../tensors/stored'
import type { LearningTokenizer } from '../text/tokenizer'

export interface TextualInversionOptions {
  /**
   * The word that prompts use. Defaults to the one in the file, as diffusers writes it; for a file of AUTOMATIC1111's web UI to
   * its name without the extension.
   */
  readonly token?: string | undefined
  /** Whose vectors they are, where both text encoders have vectors of this size. Defaults to the one whose size they have. */
  readonly encoder?: 'prior' | 'decoder' | undefined
}

/** A word that was learnt. */
export interface TextualInversionInfo {
  readonly token: string
  /** Vectors for each text encoder; one that has none reads the word as any other. */
  readonly vectors: { readonly prior: number; readonly decoder: number }
}

type LearningReader = TextReader & LearningTokenizer
export type LearningReaders = Readonly<Record<keyof TextReaders, LearningReader>>

const ENCODERS = ['prior', 'decoder'] as const
type Encoder = (typeof ENCODERS)[number]
const TARGETS = { prior: 'priorTextEncoder', decoder: 'decoderTextEncoder' } as const
const EMBEDDING = /(?:^|\.)token_embedding\.weight$/
const LONGEST_TOKEN = 100

interface Learnt extends TextualInversionInfo {
  readonly files: readonly string[]
}

/** The learnt words of a pipeline. */
export class TextualInversions {
  private readonly learnt = new Map<string, Learnt>()

  constructor(
    private readonly loras: Loras,
    private readonly readers: LearningReaders,
  ) {}

  get list(): readonly TextualInversionInfo[] {
    return [...this.learnt.values()].map(({ token, vectors }) => ({ token, vectors: { ...vectors } }))
  }

  /** Nothing may be running. When it fails, nothing has changed. */
  async add({ token, vectors, file }: ReadInversion): Promise<void> {
    if (this.learnt.has(token)) throw ofFile(file, expected('token', 'a word that was not loaded yet', token))
    const changes: LoraChange[] = []
    const ids: Partial<Record<Encoder, readonly number[]>> = {}
    try {
      for (const [encoder, tensor] of vectors) {
        const rows = this.rowsFor(encoder, tensor, file)
        ids[encoder] = rows
        changes.push(await this.change(encoder, tensor, rows))
      }
      await this.loras.add({ name: token, file, scale: 1, changes, isWord: true })
    } catch (error) {
      await remove(changes)
      throw error
    }
    for (const encoder of ENCODERS) if (ids[encoder]) this.readers[encoder].learn(token, ids[encoder])
    const count = { prior: ids.prior?.length ?? 0, decoder: ids.decoder?.length ?? 0 }
    this.learnt.set(token, { token, vectors: count, files: changes.map(({ up }) => up.file) })
  }

  async remove(token: string): Promise<void> {
    const { files } = this.check(token)
    await this.loras.removeWord(token)
    for (const encoder of ENCODERS) this.readers[encoder].forget(token)
    this.learnt.delete(token)
    for (const file of files) await rm(file, { force: true })
  }

  /** @throws InvalidArgumentError for a word that was not loaded. */
  check(token: string): { readonly files: readonly string[] } {
    const learnt = this.learnt.get(token)
    const known = [...this.learnt.keys()].join(', ') || 'there are none'
    if (learnt === undefined) throw expected('token', `a loaded word (${known})`, token)
    return learnt
  }

  /** What it wrote for its own use goes with it. */
  async dispose(): Promise<void> {
    for (const { files } of this.learnt.values()) for (const file of files) await rm(file, { force: true })
  }

  private rowsFor(encoder: Encoder, { shape }: FloatTensor, file: string): readonly number[] {
    const free = this.readers[encoder].freeIds()
    const [count = 0] = shape
    if (count > free.length) {
      const most = `at most ${free.length}, as many as the ${encoder}'s vocabulary has room for,`
      throw ofFile(file, expected('vectors', most, count))
    }
    return free.slice(0, count)
  }

  private async change(encoder: Encoder, vectors: FloatTensor, rows: readonly number[]): Promise<LoraChange> {
    const target = TARGETS[encoder]
    const binding = (this.loras.parameters[target] ?? []).find(({ name }) => EMBEDDING.test(name))
    if (binding === undefined)
      throw new ModelError('WEIGHTS_MISMATCH', `Expected the ${target} to have token embeddings`)
    const [vocabulary, channels] = binding.shape as [number, number]
    const up = new Float32Array(vocabulary * rows.length)
    for (const [index, row] of rows.entries()) up[row * rows.length + index] = 1
    const base = await readRows(binding, rows, channels)
    const down = vectors.data.map((value, index) => value - (base[index] as number))
    const file = join(tmpdir(), `wuerstchen-word-${process.pid}-${randomUUID()}.safetensors`)
    const tensors = {
      up: { shape: [vocabulary, rows.length], data: up },
      down: { shape: [rows.length, channels], data: down },
    }
    await saveFile(file, encode(tensors, {}))
    return { target, parameter: binding.name, ...(await storedIn(file)), scale: 1 }
  }
}

async function remove(changes: readonly LoraChange[]): Promise<void> {
  for (const { up } of changes) await rm(up.file, { force: true })
}

async function storedIn(file: string): Promise<{ up: LoraTensor; down: LoraTensor }> {
  const { tensors } = await readHeader(file)
  const stored = (key: string): LoraTensor => {
    const { dtype, shape, offset, bytes } = tensors.get(key) as NonNullable<ReturnType<typeof tensors.get>>
    return { key, file, dtype: dtype as StoredDtype, shape, offset, bytes }
  }
  return { up: stored('up'), down: stored('down') }
}

/** Some rows of a weight as it lies in its file. */
async function readRows(
  binding: WeightBinding,
  rows: readonly number[],
  channels: number,
): Promise<Float32Array> {
  const file = await open(binding.file, 'r')
  try {
    const width = binding.bytes / (binding.shape[0] as number)
    const all = new Float32Array(rows.length * channels)
    for (const [index, row] of rows.entries()) {
      const { buffer } = await file.read(Buffer.alloc(width), 0, width, binding.offset + row * width)
      const numbers = numbersOf(binding.dtype, buffer)
      if (numbers === null) {
        throw new ModelError(
          'WEIGHTS_INVALID',
          `${binding.file}: Expected ${binding.name} in F32, F16 or BF16`,
        )
      }
      all.set(numbers, index * channels)
    }
    return all
  } finally {
    await file.close()
  }
}

// ---------------------------------------------------------------------------------------------------- files

interface ReadInversion {
  /** As its caller named it. */
  readonly file: string
  readonly token: string
  readonly vectors: ReadonlyMap<Encoder, FloatTensor>
}

/** AUTOMATIC1111's name for the only tensor, and those of files for two text encoders. */
const UNNAMED = ['emb_params', 'clip_g', 'clip_l', 'prior', 'decoder']

/** Reads a .safetensors file of either program. */
export async function readInversion(
  path: string,
  options: TextualInversionOptions,
  readers: TextReaders,
): Promise<ReadInversion> {
  checkPath(path)
  checkNames(options, ['token', 'encoder'])
  const { encoder } = options
  if (encoder !== undefined && !ENCODERS.includes(encoder))
    throw expected('encoder', "'prior' or 'decoder'", encoder)
  const { tensors } = decode(await readBytes(path), path)
  const vectors = new Map<Encoder, FloatTensor>()
  for (const [key, tensor] of tensors) {
    const owner = encoder ?? (key === 'prior' || key === 'decoder' ? key : ownerOf(tensor, readers))
    const matrix = asMatrix(tensor)
    if (owner === null || !isMatrix(matrix, readers[owner].channels) || vectors.has(owner)) {
      const sizes = ENCODERS.map((one) => `${readers[one].channels} (${one})`).join(' or ')
      const what = `Expected vectors of ${sizes} numbers but found ${key} [${tensor.shape.join(', ')}]`
      throw wrong(path, 'WEIGHTS_MISMATCH', what, key)
    }
    const odd = matrix.data.find((value) => !Number.isFinite(value))
    if (odd !== undefined)
      throw wrong(path, 'WEIGHTS_INVALID', `Expected ${key} to have finite numbers but it has ${odd}`, key)
    vectors.set(owner, matrix)
  }
  if (vectors.size === 0) throw wrong(path, 'WEIGHTS_INVALID', 'Expected vectors of a word but found none')
  const own = [...tensors.keys()].find((key) => !UNNAMED.includes(key))
  return { file: path, token: tokenOf(options.token, own ?? basename(path, extname(path)), path), vectors }
}

/** One that the caller did not choose is the file's, and so is what is wrong with it. */
function tokenOf(given: string | undefined, own: string, path: string): string {
  if (given !== undefined) return checkToken(given)
  try {
    return checkToken(own)
  } catch (error) {
    throw error instanceof InvalidArgumentError ? ofFile(path, error) : error
  }
}

function wrong(file: string, kind: 'WEIGHTS_MISMATCH' | 'WEIGHTS_INVALID', what: string, tensor?: string) {
  return new ModelError(kind, `${file}: ${what}`, { details: { file, tensor } })
}

/** The same refusal, of what is in a file. */
function ofFile(file: string, { message, details }: InvalidArgumentError): InvalidArgumentError {
  return new InvalidArgumentError(`${file}: ${message}`, { details: { ...details, file } })
}

/** Whose vectors have this size, if one text encoder alone has it. */
function ownerOf({ shape }: FloatTensor, readers: TextReaders): Encoder | null {
  const owners = ENCODERS.filter((one) => readers[one].channels === shape.at(-1))
  return owners.length === 1 ? (owners[0] as Encoder) : null
}

/** One vector is written with or without its first axis. */
function asMatrix({ shape, data }: FloatTensor): FloatTensor {
  return shape.length === 1 ? { shape: [1, shape[0] as number], data } : { shape, data }
}

function isMatrix({ shape }: FloatTensor, channels: number): boolean {
  return shape.length === 2 && (shape[0] as number) > 0 && shape[1] === channels
}

function checkToken(token: unknown): string {
  const text = check.text('token', token, LONGEST_TOKEN)
  if (text === '' || /\s/.test(text)) throw expected('token', 'a word without white space', text)
  return text
}
