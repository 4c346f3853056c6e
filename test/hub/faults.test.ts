/** Every call of the disk and of the network fails in turn: what comes of it is one of our errors, and mends itself. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stopDownloads } from '../support/downloads'
import { eachFailing } from '../support/faults'
import { fetchSmall, ID, SMALL, settingsFor } from '../support/hub-settings'
import { LoopbackHub } from '../support/loopback-hub'

jest.mock('node:fs', () => require('../support/faults').faultySync(jest.requireActual('node:fs')))
jest.mock('node:fs/promises', () =>
  require('../support/faults').faultyPromises(jest.requireActual('node:fs/promises')),
)
jest.mock('undici', () => require('../support/faults').faultyClient(jest.requireActual('undici')))

let hub: LoopbackHub
let newer: LoopbackHub
const README = Buffer.from('newer')

beforeAll(async () => {
  hub = await LoopbackHub.start({ [ID]: SMALL })
  newer = await LoopbackHub.start({ [ID]: { ...SMALL, 'README.md': README } })
  jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
})
afterAll(async () => {
  await stopDownloads()
  await Promise.all([hub.stop(), newer.stop()])
})

function expectWhole(folder: string, readme: Buffer): void {
  for (const [path, bytes] of Object.entries(SMALL))
    expect(readFileSync(join(folder, path)).equals(path === 'README.md' ? readme : bytes)).toBe(true)
}

describe('a download', () => {
  it('is rejected with our errors alone, and done by the next try', async () => {
    const kinds = await eachFailing({
      run: (folder) => fetchSmall(settingsFor(hub.endpoint, folder)),
      check: async (folder) =>
        expectWhole(await fetchSmall(settingsFor(hub.endpoint, folder)), SMALL['README.md'] as Buffer),
    })
    for (const kind of [
      'fs.openSync',
      'fs.promises.mkdir',
      'fs.promises.rename',
      'handle.write',
      'request',
      'body',
    ])
      expect(kinds).toContain(kind)
  }, 300_000)

  it('of another commit never takes away the model that is there', async () => {
    const kinds = await eachFailing({
      prepare: (folder) => fetchSmall(settingsFor(hub.endpoint, folder)),
      run: (folder) => fetchSmall(settingsFor(newer.endpoint, folder)),
      check: async (folder, outcome) => {
        const found = String(outcome)
        const readme = readFileSync(join(found, 'README.md'))
        expect([README, SMALL['README.md']]).toContainEqual(readme)
        expectWhole(found, readme)
        expectWhole(await fetchSmall(settingsFor(newer.endpoint, folder)), README)
      },
    })
    expect([...kinds]).toEqual(
      expect.arrayContaining(['fs.openSync', 'fs.promises.rename', 'handle.write', 'request', 'body']),
    )
  }, 300_000)
})
