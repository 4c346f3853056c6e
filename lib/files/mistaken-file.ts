/** What a file is that was taken for weights, or for a model's JSON. */

import { show } from '../errors'

interface Kind {
  /** How such a file begins: bytes, or a pattern of them as Latin-1 text. */
  readonly starts: RegExp | readonly number[]
  readonly what: string
}

// Loading one runs the code in it.
const PICKLED =
  'it may hold code and is not read. Convert it to safetensors: docs/models.md, "Pickled files", has the lines of Python'

const KINDS: readonly Kind[] = [
  {
    starts: /^version https:\/\/git-lfs/,
    what: "a git-lfs pointer, not the file itself: run 'git lfs pull' in its folder",
  },
  { starts: /^\s*<(?:!doctype|html|\?xml)/i, what: 'a web page: download the file itself' },
  { starts: [0x1f, 0x8b], what: 'compressed by gzip: unpack it first' },
  { starts: [0x28, 0xb5, 0x2f, 0xfd], what: 'compressed by zstd: unpack it first' },
  { starts: /^\xfd7zXZ\0/, what: 'compressed by xz: unpack it first' },
  { starts: /^BZh[1-9]1AY&SY/, what: 'compressed by bzip2: unpack it first' },
  { starts: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], what: 'a 7-Zip archive: unpack it first' },
  {
    starts: [0x50, 0x4b, 0x03, 0x04],
    what: `a zip file, such as torch.save() writes (.pt, .bin, .ckpt): ${PICKLED}`,
  },
  { starts: [0x80], what: `a pickle, such as torch.save() wrote (.pt, .bin, .ckpt): ${PICKLED}` },
  { starts: /^GGUF/, what: 'a GGUF file: convert it to safetensors, other formats are not read' },
  { starts: /^\x89HDF\r\n/, what: 'an HDF5 file: convert it to safetensors, other formats are not read' },
  { starts: /^(?:\x89PNG\r\n|\xff\xd8\xff)/, what: 'a picture' },
]

/** Bytes of a start that tell kinds of files. */
export const SNIFFED_BYTES = 64
/** The first byte of a safetensors header, after eight that say how long it is and may look like anything. */
const HEADER_AT = 8
const LONGEST_SAMPLE = 40

/** Null for what may well be what it was taken for. */
export function mistakenFor(start: Uint8Array): string | null {
  const text = latin1(start)
  const fits = ({ starts }: Kind) =>
    starts instanceof RegExp ? starts.test(text) : starts.every((byte, index) => start[index] === byte)
  return KINDS.find(fits)?.what ?? null
}

/** The same of what was taken for safetensors. */
export function mistakenForWeights(start: Uint8Array): string | null {
  if (start[HEADER_AT] === '{'.charCodeAt(0)) return null
  return mistakenFor(start) ?? textOf(start)
}

/** No header is as long as eight letters say: this is text, such as what a server says in place of a file. */
function textOf(start: Uint8Array): string | null {
  const text = latin1(start)
  if (!/^[\t\n\r\x20-\x7e]{8}/.test(text)) return null
  const [line = ''] = text
    .trimStart()
    .slice(0, LONGEST_SAMPLE)
    .split(/[^\x20-\x7e]/, 1)
  return `text that begins ${show(line)}: download the file itself`
}

function latin1(start: Uint8Array): string {
  return Buffer.from(start.subarray(0, SNIFFED_BYTES)).toString('latin1')
}
