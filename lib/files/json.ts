/** Reading a model's JSON files, which anybody may have written. */

import { ModelError, show } from '../errors'
import { mistakenFor } from './mistaken-file'
import { openRegular } from './open'
import { shownPath } from './shown-path'

export type JsonObject = Readonly<Record<string, unknown>>

/** A tokenizer.json of CLIP's vocabulary has 2 MB; nothing that we read is ten times that. */
const LARGEST_BYTES = 32 * 1024 * 1024

export function invalid(file: string, what: string, cause?: unknown): ModelError {
  return new ModelError('MODEL_INVALID', `${shownPath(file)}: ${what}`, { cause, details: { file } })
}

/** The text of a file, or null where there is none. */
export async function readTextIfAny(file: string): Promise<string | null> {
  const bytes = await readBytesIfAny(file)
  return bytes === null ? null : textOf(bytes)
}

/** Editors of some systems begin a file with a byte order mark. */
function textOf(bytes: Buffer): string {
  return bytes.toString('utf8').replace(/^\uFEFF/, '')
}

async function readBytesIfAny(file: string): Promise<Buffer | null> {
  try {
    const handle = await openRegular(file)
    try {
      const { size } = await handle.stat()
      if (size > LARGEST_BYTES)
        throw invalid(file, `Expected at most ${LARGEST_BYTES} bytes but found ${size}`)
      return await handle.readFile()
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (isMissing(cause)) return null
    if (cause instanceof ModelError) throw cause
    throw invalid(file, `Expected a file that can be read but ${(cause as Error).message}`, cause)
  }
}

export async function readJsonIfAny(file: string): Promise<JsonObject | null> {
  const bytes = await readBytesIfAny(file)
  return bytes === null ? null : parseObject(bytes, file)
}

export async function readJson(file: string): Promise<JsonObject> {
  const value = await readJsonIfAny(file)
  if (value === null) throw invalid(file, 'Expected a file but found none')
  return value
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseObject(bytes: Buffer, file: string): JsonObject {
  const value = parse(bytes, file)
  if (!isObject(value)) throw invalid(file, `Expected a JSON object but found ${show(value)}`)
  return value
}

function parse(bytes: Buffer, file: string): unknown {
  try {
    return JSON.parse(textOf(bytes))
  } catch (cause) {
    const mistaken = mistakenFor(bytes)
    const reason = mistaken === null ? (cause as Error).message : `it is ${mistaken}`
    throw invalid(file, `Expected JSON but ${reason}`, cause)
  }
}

function isMissing(cause: unknown): boolean {
  const code = (cause as NodeJS.ErrnoException).code
  return code === 'ENOENT' || code === 'ENOTDIR'
}

interface Range {
  readonly min: number
  readonly max: number
}

/** The fields of one file, checked as they are read. A fallback is what the class assumes for a field left out. */
export class Fields {
  constructor(
    readonly file: string,
    readonly values: JsonObject,
  ) {}

  integer(name: string, { min, max }: Range, fallback?: number): number {
    const value = this.get(name, fallback)
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max)
      return value as number
    throw this.wrong(name, `an integer from ${min} to ${max}`, value)
  }

  number(name: string, { min, max }: Range, fallback?: number): number {
    const value = this.get(name, fallback)
    if (typeof value === 'number' && value >= min && value <= max) return value
    throw this.wrong(name, `a number from ${min} to ${max}`, value)
  }

  list(name: string, fallback?: readonly unknown[]): readonly unknown[] {
    const value = this.get(name, fallback)
    if (Array.isArray(value) && value.length > 0) return value
    throw this.wrong(name, 'a list with at least one entry', value)
  }

  wrong(name: string, what: string, value: unknown): ModelError {
    return invalid(this.file, `Expected ${name} to be ${what} but found ${show(value)}`)
  }

  private get(name: string, fallback: unknown): unknown {
    return (Object.hasOwn(this.values, name) ? this.values[name] : undefined) ?? fallback
  }
}
