/** Makes small zip archives, also ones that no decent program would. */
import { crc32, deflateRawSync } from 'node:zlib'

export interface ZipFile {
  readonly name: string
  readonly bytes: Buffer
  /** Unix mode; a regular file's by default. */
  readonly mode?: number
  readonly stored?: boolean
}

/** Files in the order of the list, each with its local header, then the central directory. */
export function zipOf(files: readonly ZipFile[]): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { name, bytes, mode = 0o100644, stored = false } of files) {
    const data = stored ? bytes : deflateRawSync(bytes)
    const header = Buffer.alloc(26) // all from the version on that both headers have
    header.writeUInt16LE(20, 0)
    header.writeUInt16LE(0x800, 2) // names are UTF-8
    header.writeUInt16LE(stored ? 0 : 8, 4)
    header.writeUInt32LE(crc32(bytes), 10)
    header.writeUInt32LE(data.length, 14)
    header.writeUInt32LE(bytes.length, 18)
    header.writeUInt16LE(Buffer.byteLength(name), 22)
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), header, Buffer.from(name), data])
    parts.push(local)
    const place = Buffer.alloc(14) // comment, disk, attributes, offset
    place.writeUInt32LE((mode << 16) >>> 0, 6)
    place.writeUInt32LE(offset, 10)
    const made = Buffer.from([20, 3]) // by a Unix
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02'), made, header, place, Buffer.from(name)]))
    offset += local.length
  }
  const end = Buffer.alloc(18)
  end.writeUInt16LE(files.length, 4)
  end.writeUInt16LE(files.length, 6)
  end.writeUInt32LE(
    directory.reduce((sum, { length }) => sum + length, 0),
    8,
  )
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...parts, ...directory, Buffer.from('PK\x05\x06'), end])
}
