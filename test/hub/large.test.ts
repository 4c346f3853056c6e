/** Downloads of the size that models have. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type BigHub, REPOSITORY, startBigHub, WEIGHTS } from '../../bench/support/big-hub'
import { PART_BYTES } from '../../lib/download/part-notes'
import { PartialFile } from '../../lib/download/partial-file'
import { fetchSnapshot } from '../../lib/hub/snapshot'
import { settingsFor } from '../support/hub-settings'
import { sha256 } from '../support/loopback-hub'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterEach(removeFolders)

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk)
  return hash.digest('hex')
}

describe('a file of 100 parts', () => {
  const size = 99 * PART_BYTES + 7
  const file = { path: WEIGHTS, size, etag: 'a'.repeat(64) }
  const parts = Array.from({ length: 100 }, (_, index) => index)
  const notesOf = (blob: string) => JSON.parse(readFileSync(`${blob}.wuerstchen-parts.json`, 'utf8')).done

  it('has all of them completed at once', async () => {
    const blob = join(folderOf({}), 'blobs', file.etag)
    const partial = await PartialFile.open(file, blob)
    await Promise.all(parts.map((index) => partial.complete(index * PART_BYTES)))
    expect(partial.missing()).toEqual([])
    await partial.close()
    const resumed = await PartialFile.open(file, blob)
    expect(resumed.received).toBe(size)
    await resumed.close()
  })

  it('has on record what was completed, whenever it is looked at', async () => {
    const blob = join(folderOf({}), 'blobs', file.etag)
    const partial = await PartialFile.open(file, blob)
    await Promise.all(
      parts.map(async (index) => {
        await partial.complete(index * PART_BYTES)
        expect(notesOf(blob)).toContain(index)
      }),
    )
    await partial.close()
    expect(readdirSync(dirname(blob))).toHaveLength(2)
  })

  it('keeps its bytes when another process opens it', async () => {
    const bytes = Buffer.alloc(1000, 7)
    const small = { path: WEIGHTS, size: 1000, etag: sha256(bytes) }
    const blob = join(folderOf({}), 'blobs', small.etag)
    const first = await PartialFile.open(small, blob)
    await first.write(bytes, 0)
    // As a process does that takes this one for dead.
    const second = await PartialFile.open(small, blob)
    await second.close()
    await first.complete(0)
    await first.publish()
    expect(readFileSync(blob).equals(bytes)).toBe(true)
  })
})

describe('a model of 4 GB', () => {
  const size = 259 * PART_BYTES + 4321
  let hub: BigHub
  beforeAll(async () => {
    hub = await startBigHub(size)
  })
  afterAll(() => hub.stop())

  const fetched = (cacheDir: string) => {
    const settings = settingsFor(hub.endpoint, cacheDir, { silenceMs: 30_000 })
    return fetchSnapshot({ repository: REPOSITORY, revision: 'main' }, { settings })
  }

  it('arrives whole, each part once', async () => {
    const cache = folderOf({})
    const folder = await fetched(cache)
    expect(statSync(join(folder, WEIGHTS)).size).toBe(size)
    expect(await hashOf(join(folder, WEIGHTS))).toBe(hub.sha256)
    expect(new Set(hub.requests).size).toBe(260)
    expect(hub.requests).toHaveLength(260)
    const blobs = join(folder, '..', '..', 'blobs')
    expect(readdirSync(blobs)).toHaveLength(2)
    expect(existsSync(join(cache, '.locks'))).toBe(true)
  })
})
