import { readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { WuerstchenError } from '../errors'
import { whyNotRead } from '../files/open'
import { shownPath } from '../files/shown-path'
import { UsageError } from './exit'

/** The file name that stands for standard output, as elsewhere. */
export const STANDARD_OUTPUT = '-'

/** One caption, and a file for each of its pictures. */
export interface Task {
  /** Null: the picture of `--from`, again. */
  readonly caption: string | null
  readonly files: readonly string[]
}

export interface TaskFlags {
  readonly output?: string
  readonly captions?: string
  readonly outDir?: string
  readonly count?: number
  readonly from?: string
}

/** What the command line asks for: one caption, or a file of them. */
export function tasksOf(caption: string | undefined, flags: TaskFlags): Task[] {
  const count = pictureCount(flags.count)
  if (flags.captions === undefined) {
    if (caption === undefined && flags.from === undefined)
      throw new UsageError('Expected a caption, --captions or --from but received none of them')
    if (flags.outDir !== undefined)
      throw new UsageError('Expected --captions with --out-dir: name one picture by -o')
    if (flags.output === STANDARD_OUTPUT && count > 1)
      throw new UsageError('Expected one picture for --output - but --count asks for more')
    return [{ caption: caption ?? null, files: numbered(flags.output ?? 'wuerstchen.png', count) }]
  }
  if (caption !== undefined) throw new UsageError('Expected a caption or --captions but received both')
  if (flags.from !== undefined) throw new UsageError('Expected --from or --captions but received both')
  if (flags.output !== undefined)
    throw new UsageError('Expected --out-dir with --captions but received --output')
  const captions = readCaptions(flags.captions)
  const digits = Math.max(4, String(captions.length).length)
  return captions.map((line, index) => {
    const name = `${String(index + 1).padStart(digits, '0')}-${slug(line)}.png`
    return { caption: line, files: numbered(join(flags.outDir ?? '.', name), count) }
  })
}

/** How many files to name; the package itself says what is wrong with a count. */
function pictureCount(count = 1): number {
  return Number.isSafeInteger(count) && count > 0 && count < 1e6 ? count : 1
}

function readCaptions(file: string): string[] {
  const text = textOf(file).replace(/^\uFEFF/, '')
  const captions = text.split(/\r?\n/).filter((line) => line.trim() !== '')
  if (captions.length === 0) throw new UsageError(`Expected captions in ${shownPath(file)} but found none`)
  return captions
}

/** A pipe, too: shells name one `/dev/fd/63`. */
function textOf(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (cause) {
    const message = `Expected ${shownPath(file)} to be a text file that can be read but ${whyNotRead(cause)}`
    throw new WuerstchenError('FILE_NOT_READ', message, { cause, details: { file } })
  }
}

/** `cat.png` for one picture, `cat-1.png`, `cat-2.png`, ... for several. */
export function numbered(file: string, count: number): string[] {
  if (count === 1) return [file]
  const extension = extname(file)
  const stem = file.slice(0, file.length - extension.length)
  return Array.from({ length: count }, (_, index) => `${stem}-${index + 1}${extension}`)
}

/** `cat.png` -> `cat-preview.png` */
export function previewOf(file: string): string {
  const extension = extname(file)
  return `${file.slice(0, file.length - extension.length)}-preview.png`
}

/** A caption as part of a file name: letters and digits of any script, nothing that a file system minds. */
export function slug(caption: string): string {
  const words = caption
    .normalize('NFC')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, '-')
  const short = Array.from(words.replace(/^-/, '')).slice(0, 50).join('')
  return short.replace(/-$/, '') || 'picture'
}
