/** What a file is that was taken for weights. */

const KINDS: readonly { readonly starts: RegExp; readonly what: string }[] = [
  {
    starts: /^version https:\/\/git-lfs/,
    what: "a git-lfs pointer, not the weights: run 'git lfs pull' in its folder",
  },
  { starts: /^\s*<(?:!doctype|html|\?xml)/i, what: 'a web page, not the weights: download the file itself' },
  { starts: /^\x1f\x8b/, what: 'compressed by gzip: unpack it first' },
  {
    starts: /^PK\x03\x04/,
    what: 'a zip file, such as torch.save() writes: convert it to safetensors, other formats are not read',
  },
  { starts: /^\x80[\x02-\x05]/, what: 'a pickle: convert it to safetensors, other formats are not read' },
  { starts: /^GGUF/, what: 'a GGUF file: convert it to safetensors, other formats are not read' },
]

/** The first byte of a safetensors header, after eight that say how long it is and may look like anything. */
const HEADER_AT = 8

/** Null for what may well be safetensors. */
export function mistakenFor(start: Uint8Array): string | null {
  if (start[HEADER_AT] === '{'.charCodeAt(0)) return null
  const text = Buffer.from(start).toString('latin1')
  return KINDS.find(({ starts }) => starts.test(text))?.what ?? null
}
