/** What is said of files of LoRAs and words that cannot be taken: which one, which file, which tensor. */
import { rmSync } from 'node:fs'
import {
  changeOf,
  closeSmall,
  drawn,
  fileOf,
  openSmall,
  PROJECTION,
  pipeline,
  type Tensor,
  type Tensors,
  TO_Q,
  weight,
  weights,
} from '../support/lora-models'

beforeAll(openSmall)
afterAll(closeSmall)

const [DOWN, UP] = [`${TO_Q}.lora_A.weight`, `${TO_Q}.lora_B.weight`]
const refusalOf = (work: Promise<unknown>) =>
  work.then(
    () => {
      throw new Error('Expected it to be rejected')
    },
    (error) => error,
  )

/** A LoRA of two weights, the first of which is changed to `times` as much. */
function lora(times = 1, change: (tensor: Tensor) => Tensor = (tensor) => tensor): string {
  const [q, projection] = [changeOf(weight(TO_Q)), changeOf(weight(PROJECTION))]
  return fileOf({
    [`${PROJECTION}.lora_A.weight`]: projection.down,
    [`${PROJECTION}.lora_B.weight`]: projection.up,
    [DOWN]: q.down,
    [UP]: change({ ...q.up, data: q.up.data.map((value) => value * times) }),
  })
}

describe('a LoRA that cannot be taken', () => {
  it.each([
    ['NaN', Number.NaN],
    ['Infinity', Number.NEGATIVE_INFINITY],
  ])('because of %s is named, with its file and the tensor', async (shown, value) => {
    const file = lora(1, (up) => ({ ...up, data: up.data.map((one, index) => (index === 7 ? value : one)) }))
    const error = await refusalOf(pipeline.loadLora(file, { name: 'mine' }))
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID',
      message: `${file}: Expected the LoRA 'mine' to have finite numbers but ${UP} has ${shown}`,
      details: { file, lora: 'mine', tensor: UP },
    })
  })

  it('is named where several are loaded, and is the one to blame', async () => {
    await pipeline.loadLora(lora(), { name: 'good' })
    const file = lora(Number.NaN)
    const error = await refusalOf(pipeline.loadLora(file, { name: 'bad' }))
    expect(error.details).toMatchObject({ file, lora: 'bad', tensor: UP })
    expect(pipeline.loras).toMatchObject([{ name: 'good' }])
    await pipeline.unloadLora('good')
  })

  it('because of its scale is named, with its file and the tensors', async () => {
    const file = lora(1e37)
    await pipeline.loadLora(file, { name: 'mine', scale: 1e-37 })
    const error = await refusalOf(pipeline.setLoraScales({ mine: 100 }))
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID',
      message:
        `${file}: Expected finite numbers in the change of ${TO_Q}.weight by the LoRA 'mine' ` +
        `but scale 100 makes ${UP} times ${DOWN} too large`,
      details: { file, lora: 'mine', tensor: UP },
    })
    await pipeline.unloadLora('mine')
  })

  it('because of all of them together names them all', async () => {
    const file = lora(1e37)
    const names = ['one', 'two']
    for (const name of names) await pipeline.loadLora(file, { name, scale: 1e-37 })
    const limit = await largestScale('one')
    const error = await refusalOf(pipeline.setLoraScales({ one: limit, two: limit }))
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID',
      message: `Expected finite numbers in the change of ${TO_Q}.weight, by the LoRA 'one' of ${file}, the LoRA 'two' of ${file}`,
      details: { loras: names, files: [file, file] },
    })
    for (const name of names) await pipeline.unloadLora(name)
  })

  /** Within a hundredth, by halving. */
  async function largestScale(name: string): Promise<number> {
    let [low, high] = [1e-37, 100]
    while (high / low > 1.01) {
      const middle = Math.sqrt(low * high)
      await pipeline.setLoraScales({ [name]: middle }).then(
        () => {
          low = middle
        },
        () => {
          high = middle
        },
      )
    }
    await pipeline.setLoraScales({ [name]: 1e-37 })
    return low
  }

  it('because its file is gone names it and its file, and may be unloaded', async () => {
    const plain = await drawn(pipeline)
    const file = lora()
    await pipeline.loadLora(file, { name: 'mine' })
    rmSync(file)
    expect(await refusalOf(pipeline.setLoraScales({ mine: 0.5 }))).toMatchObject({
      code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID',
      message: `${file}: Expected the LoRA 'mine' to change weights but Could not map ${file}: No such file or directory`,
      details: { file, lora: 'mine' },
    })
    await pipeline.unloadLora('mine')
    expect((await drawn(pipeline)).equals(plain)).toBe(true)
  })
})

describe('a word that cannot be taken', () => {
  const channels = () => {
    const table = [...weights.text].find(([key]) => key.endsWith('token_embedding.weight'))
    return table?.[1].shape[1] as number
  }
  const vectors = (count: number, size: number, value = 0): Tensor => ({
    shape: [count, size],
    data: new Float32Array(count * size).fill(value),
  })

  it.each([
    ['numbers that are none', 'w.safetensors', () => ({ '<x>': vectors(1, channels(), Number.NaN) })],
    ['another size', 'w.safetensors', () => ({ '<x>': vectors(1, channels() + 1) })],
    ['nothing', 'w.safetensors', () => ({})],
    ['more vectors than there is room for', 'w.safetensors', () => ({ '<x>': vectors(60_000, channels()) })],
    ['a name with a space', 'my word.safetensors', () => ({ emb_params: vectors(1, channels()) })],
  ] as const)('because of %s names its file', async (_what, name, tensors) => {
    const file = fileOf(tensors() as Tensors, name)
    const error = await refusalOf(pipeline.loadTextualInversion(file, { encoder: 'prior' }))
    expect(error.code).toMatch(/ERR_WUERSTCHEN_(WEIGHTS_(MISMATCH|INVALID)|INVALID_ARGUMENT)/)
    expect(error.message).toContain(file)
    expect(error.details).toMatchObject({ file })
  })
})
