/** The downloader by itself: addresses, sizes, hashes, targets. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { download, type Received } from '../../lib/download/download'
import { HttpClient } from '../../lib/download/http'
import { Unreachable } from '../../lib/download/network-error'
import { PART_BYTES } from '../../lib/download/part-notes'
import type { Wanted } from '../../lib/download/wanted'
import { FileServer } from '../support/file-server'
import { sha256 } from '../support/loopback-hub'
import { folderOf, removeFolders } from '../support/temporary-folder'

const LARGE = randomBytes(2 * PART_BYTES + 5)
const SMALL = Buffer.from('small')

let server: FileServer
beforeEach(async () => {
  server = await FileServer.start({ '/large': LARGE, '/small': SMALL })
})
afterEach(async () => {
  await server.stop()
  removeFolders()
})

function wanted(folder: string, name: 'large' | 'small', changes: Partial<Wanted> = {}): Wanted {
  const bytes = name === 'large' ? LARGE : SMALL
  const url = new URL(`${server.endpoint}/${name}`)
  return { url, name, size: bytes.length, hash: sha256(bytes), target: join(folder, name), ...changes }
}

async function fetchAll(files: readonly Wanted[], folder: string, free = Number.POSITIVE_INFINITY) {
  const stop = new AbortController()
  const client = new HttpClient(1000, stop.signal)
  const progress: Received[] = []
  try {
    await download(files, {
      folder,
      open: (url, headers) => client.open(url, headers),
      persist: (attempt, reached) => client.persist(attempt, reached),
      onProgress: (received) => void progress.push(received),
      abort: () => stop.abort(),
      freeBytes: async () => free,
    })
  } finally {
    await client.close()
  }
  return progress
}

describe('download()', () => {
  it('brings files from anywhere, part by part, and sums up', async () => {
    const folder = folderOf({})
    const progress = await fetchAll([wanted(folder, 'large'), wanted(folder, 'small')], folder)
    expect(readFileSync(join(folder, 'large')).equals(LARGE)).toBe(true)
    expect(readFileSync(join(folder, 'small')).equals(SMALL)).toBe(true)
    expect(progress.at(-1)).toMatchObject({ receivedTotal: LARGE.length + SMALL.length })
    expect(server.seen.filter(({ path }) => path === '/large')).toHaveLength(3)
  })

  it('survives cuts, silence, refusals for a while and redirects', async () => {
    const folder = folderOf({})
    server.fail('/large', { cutAfter: 1000 })
    server.fail('/large', { silentAfter: 1000 })
    server.fail('/large', { status: 503, headers: { 'retry-after': '0' } })
    server.fail('/small', { status: 302, headers: { location: '/small' } })
    await fetchAll([wanted(folder, 'large'), wanted(folder, 'small')], folder)
    expect(readFileSync(join(folder, 'large')).equals(LARGE)).toBe(true)
    expect(readFileSync(join(folder, 'small')).equals(SMALL)).toBe(true)
  })

  it('asks for nothing that is there', async () => {
    const folder = folderOf({})
    await fetchAll([wanted(folder, 'large')], folder)
    await fetchAll([wanted(folder, 'large')], folder)
    expect(server.seen).toHaveLength(3)
  })

  it('throws away what is corrupt', async () => {
    const folder = folderOf({})
    server.fail('/small', { flipByte: 0 })
    await expect(fetchAll([wanted(folder, 'small')], folder)).rejects.toMatchObject({
      name: 'DownloadError',
      code: 'ERR_WUERSTCHEN_DOWNLOAD_CORRUPT',
    })
    expect(existsSync(join(folder, 'small'))).toBe(false)
    await fetchAll([wanted(folder, 'small')], folder)
    expect(existsSync(join(folder, 'small'))).toBe(true)
  })

  it('says that there is no room before it asks for anything', async () => {
    const folder = folderOf({})
    await expect(fetchAll([wanted(folder, 'large')], folder, 1e6)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_DISK_FULL',
    })
    expect(server.seen).toEqual([])
  })

  it('names the address that has nothing, and leaves its meaning to the customer', async () => {
    const folder = folderOf({})
    const url = new URL(`${server.endpoint}/nothing`)
    const failure = await fetchAll([wanted(folder, 'small', { url })], folder).catch((error) => error)
    expect(failure).toBeInstanceOf(Unreachable)
    expect(failure.message).toContain(`${url} answered 404 (no such file)`)
  })
})

describe('HttpClient#follow()', () => {
  it('shows a secret to the address that was asked, never to where it redirects', async () => {
    const other = await FileServer.start({ '/small': SMALL })
    server.fail('/small', { status: 302, headers: { location: `${other.endpoint}/small` } })
    const client = new HttpClient(1000, new AbortController().signal)
    try {
      const url = new URL(`${server.endpoint}/small`)
      const [answer] = await client.follow(url, {}, { authorization: 'secret' })
      await answer.discard()
      expect(server.seen.map(({ authorization }) => authorization)).toEqual(['secret'])
      expect(other.seen.map(({ authorization }) => authorization)).toEqual([undefined])
    } finally {
      await client.close()
      await other.stop()
    }
  })
})
