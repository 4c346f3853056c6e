/** Downloads of the size that models have. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type BigHub, REPOSITORY, startBigHub, WEIGHTS } from '../../bench/support/big-hub'
import { PART_BYTES } from '../../lib/download/part-notes'
import { download, stopDownloads } from '../support/downloads'
import { settingsFor } from '../support/hub-settings'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterEach(removeFolders)

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk)
  return hash.digest('hex')
}

describe('a model of 4 GB', () => {
  const size = 259 * PART_BYTES + 4321
  let hub: BigHub
  beforeAll(async () => {
    hub = await startBigHub(size)
  })
  afterAll(async () => {
    await stopDownloads()
    await hub.stop()
  })

  const fetched = (cacheDir: string) => {
    const settings = settingsFor(hub.endpoint, cacheDir, { silenceMs: 30_000 })
    return download(REPOSITORY, { settings })
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
