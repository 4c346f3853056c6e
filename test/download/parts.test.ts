/** A file on its way: its parts, and what is on record of them. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PART_BYTES } from '../../lib/download/part-notes'
import { PartialFile } from '../../lib/download/partial-file'
import type { Wanted } from '../../lib/download/wanted'
import { sha256 } from '../support/loopback-hub'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterEach(removeFolders)

function wanted(changes: Pick<Wanted, 'size' | 'hash' | 'target'>): Wanted {
  return { url: new URL('http://127.0.0.1/file'), name: 'file', ...changes }
}

describe('a file of 100 parts', () => {
  const size = 99 * PART_BYTES + 7
  const fileIn = (folder: string) => wanted({ size, hash: 'a'.repeat(64), target: join(folder, 'file') })
  const parts = Array.from({ length: 100 }, (_, index) => index)
  const notesOf = (target: string) => JSON.parse(readFileSync(`${target}.wuerstchen-parts.json`, 'utf8')).done

  it('has all of them completed at once', async () => {
    const file = fileIn(folderOf({}))
    const partial = await PartialFile.open(file)
    await Promise.all(parts.map((index) => partial.complete(index * PART_BYTES)))
    expect(partial.missing()).toEqual([])
    await partial.close()
    const resumed = await PartialFile.open(file)
    expect(resumed.received).toBe(size)
    await resumed.close()
  })

  it('has on record what was completed, whenever it is looked at', async () => {
    const file = fileIn(folderOf({}))
    const partial = await PartialFile.open(file)
    await Promise.all(
      parts.map(async (index) => {
        await partial.complete(index * PART_BYTES)
        expect(notesOf(file.target)).toContain(index)
      }),
    )
    await partial.close()
    expect(readdirSync(dirname(file.target))).toHaveLength(2)
  })

  it('keeps its bytes when another process opens it', async () => {
    const bytes = Buffer.alloc(1000, 7)
    const target = join(folderOf({}), 'file')
    const small = wanted({ size: 1000, hash: sha256(bytes), target })
    const first = await PartialFile.open(small)
    await first.write(bytes, 0)
    // As a process does that takes this one for dead.
    const second = await PartialFile.open(small)
    await second.close()
    await first.complete(0)
    await first.publish()
    expect(readFileSync(target).equals(bytes)).toBe(true)
  })
})
