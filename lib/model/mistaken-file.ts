/** What a file is that was taken for weights. */

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
    what: "a git-lfs pointer, not the weights: run 'git lfs pull' in its folder",
  },
  { starts: /^\s*<(?:!doctype|html|\?xml)/i, what: 'a web page, not the weights: download the file itself' },
  { starts: [0x1f, 0x8b], what: 'compressed by gzip: unpack it first' },
  {
    starts: [0x50, 0x4b, 0x03, 0x04],
    what: `a zip file, such as torch.save() writes (.pt, .bin, .ckpt): ${PICKLED}`,
  },
  { starts: [0x80], what: `a pickle, such as torch.save() wrote (.pt, .bin, .ckpt): ${PICKLED}` },
  { starts: /^GGUF/, what: 'a GGUF file: convert it to safetensors, other formats are not read' },
]

/** The first byte of a safetensors header, after eight that say how long it is and may look like anything. */
const HEADER_AT = 8

/** Null for what may well be safetensors. */
export function mistakenFor(start: Uint8Array): string | null {
  if (start[HEADER_AT] === '{'.charCodeAt(0)) return null
  const text = Buffer.from(start).toString('latin1')
  const fits = ({ starts }: Kind) =>
    starts instanceof RegExp ? starts.test(text) : starts.every((byte, index) => start[index] === byte)
  return KINDS.find(fits)?.what ?? null
}
