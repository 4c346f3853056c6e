import { freeBytesOn } from '../files/space'
import { noSpace } from './messages'

/** Left free on the disk: the system and the other programs need some. */
const SPARE_BYTES = 64 * 1024 * 1024

export interface Place {
  readonly folder: string
  /** Free bytes where a folder lies; tests give other answers. */
  readonly freeBytes?: ((folder: string) => Promise<number>) | undefined
}

/** Refuses what would fill the disk. */
export async function checkSpace(bytes: number, { folder, freeBytes = freeBytesOn }: Place): Promise<void> {
  const needed = Math.ceil(bytes) + SPARE_BYTES
  const free = await freeBytes(folder)
  if (bytes > 0 && needed > free) throw noSpace(folder, needed, free)
}
