/** Files that are not what they should be, through the real addon: a typed error each, and a healthy process after. */

import { createHash } from 'node:crypto'
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WuerstchenPipeline } from '../../lib'
import { loadRuntime } from '../../lib/native/binding'
import { volume } from '../../lib/tensors/shape'
import { QUICK, type SmallModel, smallModel } from '../support/models'
import { folderOf, removeFolders } from '../support/temporary-folder'

let small: SmallModel
beforeAll(() => {
  small = smallModel()
})
afterAll(removeFolders)

/** The small model and its graphs, to be spoiled. */
function copy(): SmallModel {
  const root = folderOf({})
  const folder = join(root, 'small')
  const graphs = join(root, 'graphs')
  cpSync(small.folder, folder, { recursive: true })
  cpSync(small.prior, `${folder}-prior`, { recursive: true })
  cpSync(small.graphs, graphs, { recursive: true })
  return { folder, prior: `${folder}-prior`, graphs, options: { ...small.options, graphs } }
}

const weightsOf = ({ folder }: SmallModel) => join(folder, 'decoder', 'diffusion_pytorch_model.safetensors')

/** Changes the header's JSON and leaves all bytes after it where they are. */
function changeHeader(file: string, change: (header: Record<string, Entry>) => void): void {
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE())
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString())
  change(header)
  const text = Buffer.from(JSON.stringify(header))
  const start = Buffer.alloc(8)
  start.writeBigUInt64LE(BigInt(text.length))
  writeFileSync(file, Buffer.concat([start, text, bytes.subarray(8 + length)]))
}

interface Entry {
  dtype: string
  shape: number[]
  data_offsets: [number, number]
}

const NAME = 'clip_mapper.weight'
const entryOf = (header: Record<string, Entry>) => header[NAME] as Entry

const SPOILED: [string, string, (model: SmallModel) => void][] = [
  [
    'a missing weights file',
    'MODEL_INVALID|WEIGHTS_INVALID|MODEL_NOT_FOUND',
    (model) => rmSync(weightsOf(model)),
  ],
  ['an empty weights file', 'WEIGHTS_INVALID', (model) => truncateSync(weightsOf(model), 0)],
  ['a truncated weights file', 'WEIGHTS_INVALID', (model) => truncateSync(weightsOf(model), 20_000)],
  [
    'a weights file short of one byte',
    'WEIGHTS_INVALID',
    (model) => {
      truncateSync(weightsOf(model), readFileSync(weightsOf(model)).length - 1)
    },
  ],
  [
    'a header that is longer than the file',
    'WEIGHTS_INVALID',
    (model) => {
      const bytes = readFileSync(weightsOf(model))
      bytes.writeBigUInt64LE(1n << 62n)
      writeFileSync(weightsOf(model), bytes)
    },
  ],
  [
    'a header that is no JSON',
    'WEIGHTS_INVALID',
    (model) => {
      const bytes = readFileSync(weightsOf(model))
      bytes.write('{{{{', 8)
      writeFileSync(weightsOf(model), bytes)
    },
  ],
  [
    'a tensor beyond the end of the file',
    'WEIGHTS_INVALID',
    (model) =>
      changeHeader(weightsOf(model), (header) => {
        const { data_offsets: at } = entryOf(header)
        entryOf(header).data_offsets = [at[0] + 1e9, at[1] + 1e9]
      }),
  ],
  [
    'a shape that does not fit its bytes',
    'WEIGHTS_INVALID',
    (model) =>
      changeHeader(weightsOf(model), (header) => {
        entryOf(header).shape = [1e6, 1e6]
      }),
  ],
  [
    'a shape that the graph does not have',
    'WEIGHTS_MISMATCH',
    (model) =>
      changeHeader(weightsOf(model), (header) => {
        entryOf(header).shape = [volume(entryOf(header).shape)]
      }),
  ],
  [
    'a dtype that no parameter has',
    'WEIGHTS_INVALID|WEIGHTS_MISMATCH',
    (model) =>
      changeHeader(weightsOf(model), (header) => {
        entryOf(header).dtype = 'I8'
        entryOf(header).shape = [...entryOf(header).shape, 4]
      }),
  ],
  [
    'a tensor that is missing',
    'WEIGHTS_INVALID|WEIGHTS_MISMATCH',
    (model) =>
      changeHeader(weightsOf(model), (header) => {
        header['something.else'] = entryOf(header)
        delete header[NAME]
      }),
  ],
  [
    'a graph whose checksum is wrong',
    'GRAPH_INVALID',
    ({ graphs }) => {
      const file = join(graphs, 'small', 'decoder.pt')
      truncateSync(file, 1000)
    },
  ],
  [
    'a graph that libtorch cannot read',
    'GRAPH_INVALID',
    ({ graphs }) => {
      const manifest = join(graphs, 'small', 'manifest.json')
      const garbage = Buffer.from('PK\u0003\u0004 not a graph'.repeat(50))
      writeFileSync(join(graphs, 'small', 'decoder.pt'), garbage)
      const text = JSON.parse(readFileSync(manifest, 'utf8'))
      for (const graph of text.graphs) {
        if (graph.file === 'decoder.pt') graph.sha256 = createHash('sha256').update(garbage).digest('hex')
      }
      writeFileSync(manifest, JSON.stringify(text))
    },
  ],
  [
    'no graph for this config',
    'GRAPH_NOT_FOUND',
    ({ folder }) => {
      const file = join(folder, 'vqgan', 'config.json')
      const config = JSON.parse(readFileSync(file, 'utf8'))
      writeFileSync(file, JSON.stringify({ ...config, bottleneck_blocks: 3 }))
    },
  ],
]

describe('WuerstchenPipeline.fromPretrained()', () => {
  it.each(SPOILED)('refuses %s', async (_what, codes, spoil) => {
    const model = copy()
    spoil(model)
    const error = await WuerstchenPipeline.fromPretrained(model.folder, model.options).then(
      () => null,
      (error) => error,
    )
    expect(error?.code.replace('ERR_WUERSTCHEN_', '')).toMatch(new RegExp(`^(${codes})$`))
    expect(error.message).toMatch(/\S/)
  })

  it('works all the same afterwards', async () => {
    const pipeline = await WuerstchenPipeline.fromPretrained(small.folder, small.options)
    const { images } = await pipeline.generate('a red circle', QUICK)
    expect(images).toHaveLength(1)
    await pipeline.dispose()
  })

  it('stops when its signal does, and leaves the device free', async () => {
    const stop = new AbortController()
    const onProgress = () => stop.abort(new Error('enough'))
    const options = { ...small.options, signal: stop.signal, onProgress }
    await expect(WuerstchenPipeline.fromPretrained(small.folder, options)).rejects.toThrow('enough')
  })

  it('rejects with what its callback throws', async () => {
    const onProgress = () => {
      throw new Error('mine')
    }
    await expect(
      WuerstchenPipeline.fromPretrained(small.folder, { ...small.options, onProgress }),
    ).rejects.toThrow('mine')
  })

  it('refuses a device that this machine does not have', async () => {
    const options = { ...small.options, device: 'cuda:99' }
    await expect(WuerstchenPipeline.fromPretrained(small.folder, options)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_DEVICE_UNAVAILABLE',
    })
  })
})

describe('the addon', () => {
  // A file may shrink between the reading of its header and the mapping: then only the native side can see it.
  it('refuses to map a tensor beyond the end of a file', async () => {
    const { addon } = loadRuntime()
    const device = addon.openDevice({ device: 'cpu', threads: 1 })
    const file = join(folderOf({ 'short.safetensors': new Uint8Array(100) }), 'short.safetensors')
    const weights = [{ name: 'x', file, dtype: 'F32' as const, shape: [1000], offset: 8, bytes: 4000 }]
    const graph = join(small.graphs, 'small', 'vqgan.pt')
    await expect(
      device.load({ graph, weights, stored: 'float32', dtype: 'float32', kernels: null }),
    ).rejects.toMatchObject({
      code: 'WEIGHTS_FAILED',
    })
    await device.close()
  })
})
