import { crc32 } from 'node:zlib'

/** Signature and IHDR, which must come first. */
const HEADER_BYTES = 33

/** A PNG with text fields (iTXt, UTF-8) right after its header. sharp reads such fields but cannot write them. */
export function withText(png: Buffer, fields: Readonly<Record<string, string>>): Buffer {
  const chunks = Object.entries(fields).map(([keyword, text]) => textChunk(keyword, text))
  return Buffer.concat([png.subarray(0, HEADER_BYTES), ...chunks, png.subarray(HEADER_BYTES)])
}

/** PNG specification, 11.3.3.4: length, type, keyword, five bytes (uncompressed, no language), text, CRC. */
function textChunk(keyword: string, text: string): Buffer {
  const body = Buffer.concat([
    Buffer.from(`iTXt${keyword}`, 'latin1'),
    Buffer.alloc(5),
    Buffer.from(text, 'utf8'),
  ])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length - 4)
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, checksum])
}
