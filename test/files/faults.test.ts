/** Every call of the disk fails in turn, while files are read and written that users name. */
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { ImageEmbeddings, listModels } from '../../lib'
import { planLoad } from '../../lib/loading/plan'
import { cacheFileOf } from '../../lib/loading/weights-cache'
import { openModel } from '../../lib/model/layout'
import { readLora } from '../../lib/model/lora'
import { loadTokenizer } from '../../lib/text/tokenizer'
import { eachFailing } from '../support/faults'
import { weightsOf } from '../support/safetensors'
import { writeFiles } from '../support/temporary-folder'

jest.mock('node:fs', () => require('../support/faults').faultySync(jest.requireActual('node:fs')))
jest.mock('node:fs/promises', () =>
  require('../support/faults').faultyPromises(jest.requireActual('node:fs/promises')),
)

const SHAPES = join(ROOT, 'models', 'shapes')

describe('a disk that fails once', () => {
  it('while a model is opened leads to one of our errors', async () => {
    const kinds = await eachFailing({
      run: async () => {
        const files = await openModel(SHAPES)
        await planLoad(files, [join(ROOT, 'graphs')])
        await loadTokenizer(files.tokenizers.prior.folder, files.tokenizers.prior)
      },
    })
    for (const kind of ['fs.promises.open', 'handle.read', 'handle.stat']) expect(kinds).toContain(kind)
  }, 120_000)

  it('while a LoRA is read leads to one of our errors', async () => {
    const name = 'a.weight'
    const parameters = { prior: [{ name, shape: [2, 2] }], priorTextEncoder: [], decoder: [] }
    const tensors = { 'a.lora_A.weight': [1, 2], 'a.lora_B.weight': [2, 1], 'a.alpha': [] }
    const kinds = await eachFailing({
      prepare: (folder) => writeFiles(folder, { lora: weightsOf(tensors) }),
      run: (folder) => readLora(join(folder, 'lora'), parameters),
    })
    expect(kinds).toContain('handle.read')
  })

  it('while converted weights are looked for costs their conversion at most', async () => {
    const kinds = await eachFailing({
      prepare: (folder) => writeFiles(folder, { weights: '' }),
      run: (folder) => {
        const weight = { name: 'a', dtype: 'F32', shape: [1], offset: 0, bytes: 4 } as const
        const cache = { folder, leastBytes: 0 }
        return cacheFileOf(cache, [{ ...weight, file: join(folder, 'weights') }], 'bfloat16')
      },
      check: async (_folder, outcome) => expect(outcome).toBeNull(),
    })
    expect(kinds).toEqual(new Set(['fs.promises.realpath', 'fs.promises.stat']))
  })

  it('while embeddings are written and read leads to one of our errors', async () => {
    const embeddings = new ImageEmbeddings({ data: new Float32Array(16), shape: [1, 16, 1, 1] })
    const kinds = await eachFailing({
      run: async (folder) => {
        await embeddings.toFile(join(folder, 'a'))
        await ImageEmbeddings.fromFile(join(folder, 'a'))
      },
    })
    for (const kind of ['fs.promises.rename', 'fs.promises.writeFile', 'handle.readFile'])
      expect(kinds).toContain(kind)
  })

  it('while models are listed leads to one of our errors', async () => {
    const snapshot = join('models--a--b', 'snapshots', 'c'.repeat(40))
    const kinds = await eachFailing({
      prepare: (folder) =>
        writeFiles(folder, {
          [join(snapshot, 'config.json')]: { _class_name: 'WuerstchenPrior' },
          [join('models--a--b', 'refs', 'main')]: 'c'.repeat(40),
        }),
      run: async (cacheDir) => listModels({ cacheDir }),
    })
    expect(kinds).toContain('fs.readdirSync')
  })
})
