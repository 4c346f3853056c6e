/** Everything that callers may call, with what nobody should pass: an error of this package, never a raw one. */
import {
  diagnose,
  exportGraphs,
  formatOf,
  GeneratedImage,
  ImageEmbeddings,
  type ImageMetadata,
  installRuntime,
  listModels,
  listRuntimes,
  PromptEmbeddings,
  parsePrompt,
  printPrompt,
  pullModel,
  readParameters,
  removeRuntime,
  WuerstchenError,
  WuerstchenPipeline,
} from '../../lib'
import { fakePipeline } from '../support/fake-pipeline'

const WRONG: readonly unknown[] = [
  ...[
    null,
    undefined,
    7,
    Number.NaN,
    true,
    '',
    'x',
    1n,
    Symbol('x'),
    () => 1,
    [],
    [null],
    {},
    { syntax: 'compel' },
  ],
  ...[
    { syntax: 'a1111', parts: null },
    { syntax: 'compel', parts: [null] },
    { syntax: 'plain', parts: [{}] },
  ],
  ...[{ shape: [1], data: [1] }, { prior: null }, { prompt: null, decoderTimesteps: null }, new Date(0)],
  ...[
    Object.create(null),
    new Proxy({}, {}),
    new Uint8Array(3),
    new Map(),
    /x/,
    '\0',
    '\ud800',
    'a'.repeat(30_000),
  ],
]

const tensor = { shape: [1, 1, 1], data: Float32Array.of(1) }
const kept = new PromptEmbeddings({ prior: tensor, decoder: tensor })
const image = new ImageEmbeddings({ shape: [1, 1, 1, 1], data: Float32Array.of(1) })

/** What would be a file's name is not written here. */
function noFile(path: unknown): never {
  return (typeof path === 'string' ? path.slice(0, 0) : path) as never
}

const picture = new GeneratedImage(new Uint8Array(3), 1, 1, { prompt: 'a' } as ImageMetadata)
const NOWHERE = '/nowhere/at/all'

const { pipeline } = fakePipeline()
type Call = (...values: never[]) => unknown
const CALLS: Readonly<Record<string, { readonly call: Call; readonly values: number }>> = {
  parsePrompt: { call: parsePrompt, values: 2 },
  printPrompt: { call: printPrompt, values: 1 },
  readParameters: { call: readParameters, values: 1 },
  'new PromptEmbeddings': {
    call: (...values) => Reflect.construct(PromptEmbeddings, values),
    values: 3,
  },
  'new ImageEmbeddings': { call: (...values) => Reflect.construct(ImageEmbeddings, values), values: 2 },
  'PromptEmbeddings.fromSafetensors': { call: PromptEmbeddings.fromSafetensors, values: 1 },
  'ImageEmbeddings.fromSafetensors': { call: ImageEmbeddings.fromSafetensors, values: 1 },
  'PromptEmbeddings.fromFile': { call: PromptEmbeddings.fromFile, values: 1 },
  'ImageEmbeddings.fromFile': { call: ImageEmbeddings.fromFile, values: 1 },
  'ImageEmbeddings.interpolate': { call: ImageEmbeddings.interpolate, values: 3 },
  'PromptEmbeddings#toFile': { call: (path) => kept.toFile(noFile(path)), values: 1 },
  'ImageEmbeddings#toFile': { call: (path) => image.toFile(noFile(path)), values: 1 },
  generate: { call: (...values) => Reflect.apply(pipeline.generate, pipeline, values), values: 2 },
  prior: { call: (...values) => Reflect.apply(pipeline.prior, pipeline, values), values: 2 },
  decode: { call: (...values) => Reflect.apply(pipeline.decode, pipeline, values), values: 2 },
  encodePrompt: { call: (...values) => Reflect.apply(pipeline.encodePrompt, pipeline, values), values: 2 },
  stream: { call: (...values) => Reflect.apply(pipeline.stream, pipeline, values).next(), values: 2 },
  memory: { call: (options) => pipeline.memory(options), values: 1 },
  loadLora: { call: (...values) => Reflect.apply(pipeline.loadLora, pipeline, values), values: 2 },
  setLoraScales: { call: (scales) => pipeline.setLoraScales(scales), values: 1 },
  unloadLora: { call: (name) => pipeline.unloadLora(name), values: 1 },
  pullModel: { call: (name) => pullModel(name, { localFilesOnly: true }), values: 1 },
  exportGraphs: { call: (folder) => exportGraphs(noFile(folder)), values: 1 },
  formatOf: { call: formatOf, values: 2 },
  'GeneratedImage#toBuffer': {
    call: (...values) => Reflect.apply(picture.toBuffer, picture, values),
    values: 2,
  },
  'GeneratedImage#toFile': { call: (path) => picture.toFile(noFile(path)), values: 1 },
}

afterAll(() => pipeline.dispose())

describe.each(Object.entries(CALLS))('%s', (_name, { call, values }) => {
  it('takes what it is given or refuses it with an error of this package', async () => {
    let refused = 0
    for (let place = 0; place < values; place++) {
      for (const wrong of WRONG) {
        const given = ['a', {}, 1].map((right, index) => (index === place ? wrong : right)).slice(0, values)
        try {
          await call(...(given as never[]))
        } catch (error) {
          refused += 1
          const isSharps = /Input|unsupported image|VipsForeign/.test((error as Error).message)
          if (!(error instanceof WuerstchenError) && !isSharps) {
            throw new Error(`place ${place}: ${String((error as Error).stack)}`)
          }
        }
      }
    }
    expect(refused).toBeGreaterThan(5)
  })
})

/** Every call that has options, with something before them that ends it early where they are none. */
const OPTIONS: Readonly<Record<string, (options: never) => unknown>> = {
  'WuerstchenPipeline.fromPretrained': (options) => WuerstchenPipeline.fromPretrained(NOWHERE, options),
  pullModel: (options) => pullModel(NOWHERE, options),
  listModels: (options) => listModels(options),
  exportGraphs: (options) => exportGraphs(NOWHERE, options),
  diagnose: (options) => diagnose(options),
  installRuntime: (options) => installRuntime(options),
  listRuntimes: (options) => listRuntimes(options),
  removeRuntime: (options) => removeRuntime('none', options),
  generate: (options) => pipeline.generate('a', options),
  prior: (options) => pipeline.prior('a', options),
  decode: (options) => pipeline.decode(image, options),
  encodePrompt: (options) => pipeline.encodePrompt('a', options),
  stream: (options) => pipeline.stream('a', options).next(),
  memory: (options) => pipeline.memory(options),
  loadLora: (options) => pipeline.loadLora(NOWHERE, options),
  loadTextualInversion: (options) => pipeline.loadTextualInversion(NOWHERE, options),
  'GeneratedImage#toBuffer': (options) => picture.toBuffer('png', options),
  'GeneratedImage#toFile': (options) => picture.toFile(`${NOWHERE}.png`, options),
  dispose: (options) => fakePipeline().pipeline.dispose(options),
}

describe.each(Object.entries(OPTIONS))('options of %s', (_name, call) => {
  it.each([null, 7, 'png', true, 1n, [], [{}], () => 1, Symbol('x')])(
    'are refused where they are %p',
    async (wrong) => {
      await expect(async () => call(wrong as never)).rejects.toMatchObject({
        code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
        message: expect.stringMatching(/^Expected options to be an object but received /),
      })
    },
  )

  it('are refused by the name of one that does not exist', async () => {
    await expect(async () => call({ sed: 7 } as never)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      message: expect.stringMatching(/^Unknown option 'sed'\. /),
      details: { name: 'sed' },
    })
  })
})
