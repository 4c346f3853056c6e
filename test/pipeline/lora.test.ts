/** LoRAs and mixed priors on the small model, against the same numbers computed here. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type GeneratedImage,
  type GenerateOptions,
  type PipelineOptions,
  WuerstchenPipeline,
} from '../../lib'
import { decode, encode } from '../../lib/embeddings/safetensors'
import { QUICK, type SmallModel, smallModel } from '../support/models'
import { folderOf, removeFolders } from '../support/temporary-folder'

interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}
type Tensors = Readonly<Record<string, Tensor>>

const TO_Q = 'blocks.2.attention.to_q'
const PROJECTION = 'projection'
const TEXT = 'encoder.layers.0.mlp.fc1'
const WEIGHTS = 'diffusion_pytorch_model.safetensors'

let small: SmallModel
let weights: Record<'prior' | 'text', Map<string, Tensor>>
let pipeline: WuerstchenPipeline
let textPrefix: string
beforeAll(async () => {
  small = smallModel()
  const read = (path: string) => new Map(decode(readFileSync(join(small.prior, path)), path).tensors)
  weights = { prior: read(`prior/${WEIGHTS}`), text: read('text_encoder/model.safetensors') }
  textPrefix = [...weights.text.keys()].some((key) => key.startsWith('text_model.')) ? 'text_model.' : ''
  pipeline = await WuerstchenPipeline.fromPretrained(small.folder, small.options)
})
afterAll(async () => {
  await pipeline?.dispose()
  removeFolders()
})

let seed = 1
function random(shape: readonly number[], size = 1): Tensor {
  const data = new Float32Array(shape.reduce((product, side) => product * side, 1))
  for (let index = 0; index < data.length; index++) {
    seed = (seed * 16807) % 2147483647
    data[index] = size * ((seed / 2147483647) * 2 - 1)
  }
  return { shape, data }
}

interface Change {
  readonly up: Tensor
  readonly down: Tensor
}

function changeOf(weight: Tensor, rank = 3): Change {
  const [out, into, ...ones] = weight.shape as [number, number, ...number[]]
  return { up: random([out, rank, ...ones], 0.5), down: random([rank, into, ...ones], 0.5) }
}

/** W + scale * up @ down, number by number. */
function changed(weight: Tensor, { up, down }: Change, scale: number): Tensor {
  const [out, into] = weight.shape as [number, number]
  const rank = down.shape[0] as number
  const data = Float32Array.from(weight.data)
  for (let row = 0; row < out; row++) {
    for (let column = 0; column < into; column++) {
      let sum = 0
      for (let inner = 0; inner < rank; inner++) {
        sum += (up.data[row * rank + inner] as number) * (down.data[inner * into + column] as number)
      }
      data[row * into + column] = (weight.data[row * into + column] as number) + scale * sum
    }
  }
  return { shape: weight.shape, data }
}

function fileOf(tensors: Tensors, name = 'style.safetensors'): string {
  const file = join(folderOf({}), name)
  writeFileSync(file, encode(tensors, {}))
  return file
}

/** The small model with other tensors in its prior or its text encoder. */
function modelWith(changes: { readonly prior?: Tensors; readonly text?: Tensors }): {
  folder: string
  prior: string
} {
  const root = folderOf({})
  const [folder, prior] = [join(root, 'small'), join(root, 'small-prior')]
  cpSync(small.folder, folder, { recursive: true })
  cpSync(small.prior, prior, { recursive: true })
  for (const [part, file] of [
    ['prior', `prior/${WEIGHTS}`],
    ['text', 'text_encoder/model.safetensors'],
  ] as const) {
    if (changes[part] === undefined) continue
    const tensors = { ...Object.fromEntries(weights[part]), ...changes[part] }
    writeFileSync(join(prior, file), encode(tensors, {}))
  }
  return { folder, prior }
}

async function pictureOf(folder: string, options: PipelineOptions = {}): Promise<Buffer> {
  await using other = await WuerstchenPipeline.fromPretrained(folder, { ...small.options, ...options })
  return await drawn(other)
}

async function drawn(one: WuerstchenPipeline, options: GenerateOptions = {}): Promise<Buffer> {
  const { images } = await one.generate('a red circle', { ...QUICK, ...options })
  return Buffer.from((images[0] as GeneratedImage).data)
}

function largest(a: Buffer, b: Buffer): number {
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - (b[index] as number))), 0)
}

const weight = (name: string, part: 'prior' | 'text' = 'prior') =>
  weights[part].get(`${name}.weight`) as Tensor

describe('a LoRA', () => {
  it('does what its product added to the weights does, and leaves them bit for bit', async () => {
    const plain = await drawn(pipeline)
    const [q, projection] = [changeOf(weight(TO_Q)), changeOf(weight(PROJECTION))]
    const file = fileOf({
      [`prior.${TO_Q}.lora_A.weight`]: q.down,
      [`prior.${TO_Q}.lora_B.weight`]: q.up,
      [`prior.${PROJECTION}.lora_A.weight`]: projection.down,
      [`prior.${PROJECTION}.lora_B.weight`]: projection.up,
    })
    await pipeline.loadLora(file, { scale: 0.7 })
    expect(pipeline.loras).toEqual([{ name: 'style', scale: 0.7 }])
    const styled = await drawn(pipeline)
    expect(largest(styled, plain)).toBeGreaterThan(5)
    const { folder } = modelWith({
      prior: {
        [`${TO_Q}.weight`]: changed(weight(TO_Q), q, 0.7),
        [`${PROJECTION}.weight`]: changed(weight(PROJECTION), projection, 0.7),
      },
    })
    expect(largest(styled, await pictureOf(folder))).toBeLessThanOrEqual(1)
    await pipeline.setLoraScales({ style: 0 })
    expect((await drawn(pipeline)).equals(plain)).toBe(true)
    await pipeline.setLoraScales({ style: 0.7 })
    expect((await drawn(pipeline)).equals(styled)).toBe(true)
    await pipeline.unloadLora('style')
    expect(pipeline.loras).toEqual([])
    expect((await drawn(pipeline)).equals(plain)).toBe(true)
  })

  it('stacks with others', async () => {
    const [one, two] = [changeOf(weight(TO_Q)), changeOf(weight(TO_Q), 5)]
    for (const [index, { up, down }] of [one, two].entries()) {
      const file = fileOf({ [`${TO_Q}.lora.down.weight`]: down, [`${TO_Q}.lora.up.weight`]: up })
      await pipeline.loadLora(file, { name: `number ${index}`, scale: 0.5 + index })
    }
    const both = await drawn(pipeline)
    const sum = changed(changed(weight(TO_Q), one, 0.5), two, 1.5)
    expect(
      largest(both, await pictureOf(modelWith({ prior: { [`${TO_Q}.weight`]: sum } }).folder)),
    ).toBeLessThanOrEqual(1)
    await pipeline.unloadLora('number 0')
    await pipeline.unloadLora('number 1')
  })

  it('is the same in every spelling, with its alpha', async () => {
    const q = changeOf(weight(TO_Q), 4)
    const alpha = { shape: [], data: Float32Array.of(2) }
    const kohya = `lora_prior_${TO_Q.replaceAll('.', '_')}`
    const pictures: Buffer[] = []
    const halved = { shape: q.up.shape, data: q.up.data.map((value) => value / 2) }
    for (const tensors of [
      { [`${kohya}.lora_down.weight`]: q.down, [`${kohya}.lora_up.weight`]: q.up, [`${kohya}.alpha`]: alpha },
      {
        [`base_model.model.${TO_Q}.lora_A.default.weight`]: q.down,
        [`base_model.model.${TO_Q}.lora_B.default.weight`]: halved,
      },
      {
        'blocks.2.attention.processor.to_q_lora.down.weight': q.down,
        'blocks.2.attention.processor.to_q_lora.up.weight': halved,
      },
      {
        [`prior.${TO_Q}.lora_linear_layer.down.weight`]: q.down,
        [`prior.${TO_Q}.lora_linear_layer.up.weight`]: halved,
      },
    ] as Tensors[]) {
      await pipeline.loadLora(fileOf(tensors))
      pictures.push(await drawn(pipeline))
      await pipeline.unloadLora('style')
    }
    for (const picture of pictures) expect(picture.equals(pictures[0] as Buffer)).toBe(true)
    expect(pictures[0]?.equals(await drawn(pipeline))).toBe(false)
  })

  it("changes the prior's text encoder", async () => {
    const name = `${textPrefix}${TEXT}`
    const change = changeOf(weight(name, 'text'))
    const keys = `text_encoder.text_model.${TEXT}`
    const file = fileOf({ [`${keys}.lora_A.weight`]: change.down, [`${keys}.lora_B.weight`]: change.up })
    await pipeline.loadLora(file)
    const styled = await drawn(pipeline)
    await pipeline.unloadLora('style')
    const { folder } = modelWith({ text: { [`${name}.weight`]: changed(weight(name, 'text'), change, 1) } })
    expect(largest(styled, await pictureOf(folder))).toBeLessThanOrEqual(1)
    expect(largest(styled, await drawn(pipeline))).toBeGreaterThan(2)
  })

  it('comes between requests: what runs finishes without it, what comes later has it', async () => {
    const plain = await drawn(pipeline)
    const q = changeOf(weight(TO_Q))
    const ended: string[] = []
    let begin = () => undefined as unknown
    const begun = new Promise((resolve) => {
      begin = () => resolve(undefined)
    })
    const running = drawn(pipeline, { onProgress: () => begin() }).finally(() => ended.push('running'))
    await begun
    const loading = pipeline
      .loadLora(fileOf({ [`${TO_Q}.lora_A.weight`]: q.down, [`${TO_Q}.lora_B.weight`]: q.up }))
      .finally(() => ended.push('loading'))
    expect((await running).equals(plain)).toBe(true)
    await loading
    expect(ended).toEqual(['running', 'loading'])
    expect((await drawn(pipeline)).equals(plain)).toBe(false)
    await pipeline.unloadLora('style')
  })

  const down = () => random([3, weight(TO_Q).shape[1] as number])
  const up = () => random([weight(TO_Q).shape[0] as number, 3])
  it.each<[string, () => Tensors, RegExp]>([
    ['nothing', () => ({}), /Expected low-rank changes but found none/],
    [
      'a key of another model',
      () => ({ 'unet.down_blocks.0.lora_A.weight': down() }),
      /but found unet\.down_blocks\.0\.lora_A\.weight/,
    ],
    [
      'half a change',
      () => ({ [`${TO_Q}.lora_A.weight`]: down() }),
      /both halves of the change of blocks\.2\.attention\.to_q\.weight but found blocks\.2\.attention\.to_q\.lora_A\.weight alone/,
    ],
    [
      'another shape',
      () => ({ [`${TO_Q}.lora_A.weight`]: random([3, 7]), [`${TO_Q}.lora_B.weight`]: up() }),
      /lora_A\.weight to be of floats and \[3, \d+\] but found F32 \[3, 7\]/,
    ],
    [
      'two ranks',
      () => ({
        [`${TO_Q}.lora_A.weight`]: random([2, weight(TO_Q).shape[1] as number]),
        [`${TO_Q}.lora_B.weight`]: up(),
      }),
      /lora_B\.weight to be of floats and \[\d+, 2\]/,
    ],
    [
      'NaN',
      () => ({
        [`${TO_Q}.lora_A.weight`]: { ...down(), data: down().data.fill(Number.NaN) },
        [`${TO_Q}.lora_B.weight`]: up(),
      }),
      /finite numbers in the change of blocks\.2\.attention\.to_q\.weight/,
    ],
  ])('with %s is refused and changes nothing', async (_what, tensors, message) => {
    const plain = await drawn(pipeline)
    await expect(pipeline.loadLora(fileOf(tensors()))).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_WUERSTCHEN_WEIGHTS_(MISMATCH|INVALID)/),
      message: expect.stringMatching(message),
    })
    expect(pipeline.loras).toEqual([])
    expect((await drawn(pipeline)).equals(plain)).toBe(true)
  })

  const one = (scale = 1) => {
    const change = { down: down(), up: up() }
    const data = change.up.data.map((value) => value * scale)
    return fileOf({
      [`${TO_Q}.lora_A.weight`]: change.down,
      [`${TO_Q}.lora_B.weight`]: { ...change.up, data },
    })
  }

  it('counts as private memory while it is loaded', async () => {
    const bytes = weight(TO_Q).data.byteLength
    await using mapped = await WuerstchenPipeline.fromPretrained(small.folder, {
      ...small.options,
      kernels: 'off', // they pack weights, and that is private memory, too
    })
    const { private: before, held } = mapped.memory()
    await mapped.loadLora(one())
    expect(mapped.memory()).toMatchObject({ private: before + bytes, held })
    await mapped.setLoraScales({ style: 0.5 })
    expect(mapped.memory()).toMatchObject({ private: before + bytes, held })
    await mapped.unloadLora('style')
    expect(mapped.memory()).toMatchObject({ private: before, held })
  })

  it('takes room from maxMemory while other networks run', async () => {
    const options = { ...small.options, offload: 'model', kernels: 'off' } as const
    const bytes = weight(TO_Q).data.byteLength
    await using free = await WuerstchenPipeline.fromPretrained(small.folder, options)
    const { predicted } = free.memory(QUICK)
    const maxMemory = predicted + bytes - 1
    await using limited = await WuerstchenPipeline.fromPretrained(small.folder, { ...options, maxMemory })
    const plain = await drawn(limited)
    await limited.loadLora(one())
    await expect(drawn(limited)).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_MEMORY_LIMIT' })
    await limited.unloadLora('style')
    expect((await drawn(limited)).equals(plain)).toBe(true)
  })

  it('whose scale makes its numbers infinite is refused and stays as it was', async () => {
    await pipeline.loadLora(one(1e37), { scale: 1e-37 })
    const styled = await drawn(pipeline)
    const before = pipeline.memory()
    await expect(pipeline.setLoraScales({ style: 100 })).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID',
      message: expect.stringMatching(/finite numbers in the change of blocks\.2\.attention\.to_q\.weight/),
    })
    expect(pipeline.loras).toMatchObject([{ name: 'style', scale: 1e-37 }])
    expect((await drawn(pipeline)).equals(styled)).toBe(true)
    expect(pipeline.memory().held).toBe(before.held)
    await pipeline.unloadLora('style')
  })

  it('of which one network takes its part and another does not changes neither', async () => {
    const plain = await drawn(pipeline)
    const before = pipeline.memory().held
    const text = changeOf(weight(`${textPrefix}${TEXT}`, 'text'))
    const bad = { ...text.up, data: text.up.data.map(() => Number.NaN) }
    const keys = `text_encoder.text_model.${TEXT}`
    const file = fileOf({
      [`prior.${TO_Q}.lora_A.weight`]: down(),
      [`prior.${TO_Q}.lora_B.weight`]: up(),
      [`${keys}.lora_A.weight`]: text.down,
      [`${keys}.lora_B.weight`]: bad,
    })
    await expect(pipeline.loadLora(file)).rejects.toThrow(/finite numbers in the change of/)
    expect((await drawn(pipeline)).equals(plain)).toBe(true)
    expect(pipeline.memory().held).toBe(before)
  })

  it('that does not exist, is cut off, or has a name twice is refused', async () => {
    const whole = fileOf({ [`${TO_Q}.lora_A.weight`]: down(), [`${TO_Q}.lora_B.weight`]: up() })
    await expect(pipeline.loadLora('no-such-file.safetensors')).rejects.toThrow(/no-such-file/)
    const cut = join(folderOf({}), 'cut.safetensors')
    writeFileSync(cut, readFileSync(whole).subarray(0, -8))
    await expect(pipeline.loadLora(cut)).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID' })
    await pipeline.loadLora(whole)
    await expect(pipeline.loadLora(whole)).rejects.toThrow(/one that no loaded LoRA has but received 'style'/)
    await pipeline.unloadLora('style')
    await expect(pipeline.unloadLora('style')).rejects.toThrow(/that of a loaded LoRA \(there are none\)/)
    await expect(pipeline.setLoraScales({ style: 1 })).rejects.toThrow(/loaded LoRA/)
    await expect(pipeline.loadLora(whole, { scale: Number.NaN })).rejects.toThrow(/scale/)
  })
})

describe('a prior between two', () => {
  it('is what interpolated weights make', async () => {
    const other = Object.fromEntries(
      [...weights.prior].map(([name, tensor]) => [
        name,
        { ...tensor, data: tensor.data.map((value, at) => value * (1 + 0.1 * (at % 3))) },
      ]),
    )
    const second = modelWith({ prior: other })
    const between = Object.fromEntries(
      [...weights.prior].map(([name, tensor]) => [
        name,
        {
          ...tensor,
          data: tensor.data.map((value, at) => value + 0.3 * ((other[name]?.data[at] as number) - value)),
        },
      ]),
    )
    const expected = await pictureOf(modelWith({ prior: between }).folder)
    const from = [small.prior, second.prior] as const
    const mixed = await pictureOf(small.folder, { prior: { from, weight: 0.3 } })
    expect(largest(mixed, expected)).toBeLessThanOrEqual(1)
    expect(await pictureOf(small.folder, { prior: { from, weight: 0 } })).toEqual(await drawn(pipeline))
    expect(await pictureOf(small.folder, { prior: { from, weight: 1 } })).toEqual(
      await pictureOf(second.folder),
    )
    // A bare network as the second one.
    const bare = join(second.prior, 'prior')
    expect(await pictureOf(small.folder, { prior: { from: [small.prior, bare], weight: 0.3 } })).toEqual(
      mixed,
    )
  })

  it.each<[PipelineOptions['prior'], RegExp]>([
    [{ from: ['a', 'b'], weight: 2 }, /prior\.weight/],
    [{ from: ['a'] as never }, /prior\.from to be two folders or ids/],
    [{ from: ['a', ''] }, /prior\.from\[1\]/],
    [{ form: ['a', 'b'] } as never, /Unknown option 'form'/],
  ])('is refused as %j', async (prior, message) => {
    await expect(
      WuerstchenPipeline.fromPretrained(small.folder, { ...small.options, prior }),
    ).rejects.toThrow(message)
  })
})
