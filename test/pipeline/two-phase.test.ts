/** The two halves of a picture, and what lies between them. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { difference, ROOT } from '../../bench/support/reference'
import { type GeneratedImage, ImageEmbeddings, PromptEmbeddings, WuerstchenPipeline } from '../../lib'
import { volume } from '../../lib/tensors/shape'
import { COMPANY_LEVELS } from '../support/company'
import { QUICK, smallModel } from '../support/models'
import { folderOf, removeFolders } from '../support/temporary-folder'

const { numInferenceSteps, ...FIRST } = QUICK
const SECOND = { numInferenceSteps }

let pipeline: WuerstchenPipeline
beforeAll(async () => {
  const small = smallModel()
  pipeline = await WuerstchenPipeline.fromPretrained(small.folder, small.options)
})
afterAll(async () => {
  await pipeline?.dispose()
  removeFolders()
})

async function imagined(prompt = 'a red circle', options: object = {}): Promise<ImageEmbeddings> {
  const { embeddings } = await pipeline.prior(prompt, { ...FIRST, ...options })
  return embeddings[0] as ImageEmbeddings
}

const bytes = (images: readonly GeneratedImage[]) =>
  images.map(({ data }) => Buffer.from(data).toString('base64'))

describe('prior() and decode()', () => {
  it('make the very pictures of generate(), several and guided in both stages too', async () => {
    for (const [one, two] of [
      [{}, {}],
      [{ numImagesPerPrompt: 3 }, { decoderGuidanceScale: 2 }],
      [{ seed: [4, 5], numImagesPerPrompt: 2, negativePrompt: 'a cat' }, { decoderGuidanceScale: 2 }],
      [{ width: 200, height: 136 }, {}],
    ] as const) {
      const whole = await pipeline.generate('a red circle', { ...QUICK, ...one, ...two })
      const first = await pipeline.prior('a red circle', { ...FIRST, ...one })
      const second = await pipeline.decode(first.embeddings, { ...SECOND, ...two })
      expect(bytes(second.images)).toEqual(bytes(whole.images))
      expect(second.seeds).toEqual(whole.seeds)
      expect(second.images[0]?.width).toBe(whole.images[0]?.width)
    }
  })

  it('do so with some of the images, in any order, and after a file', async () => {
    const whole = await pipeline.generate('a red circle', { ...QUICK, numImagesPerPrompt: 3 })
    const { embeddings } = await pipeline.prior('a red circle', { ...FIRST, numImagesPerPrompt: 3 })
    const file = join(folderOf({}), 'embeddings.safetensors')
    await embeddings[1]?.toFile(file)
    const kept = await ImageEmbeddings.fromFile(file)
    expect(kept).toEqual(embeddings[1])
    const second = await pipeline.decode([embeddings[2] as ImageEmbeddings, kept], SECOND)
    const [, b, c] = bytes(whole.images)
    for (const [image, same] of [
      [second.images[0], whole.images[2]],
      [second.images[1], whole.images[1]],
    ] as const) {
      expect(difference(image as GeneratedImage, same as GeneratedImage).largest).toBe(0)
    }
    expect(new Set([b, c]).size).toBe(2)
  })

  it('paint one thing in many ways: seeds, prompts, sizes', async () => {
    const embeddings = await imagined()
    const seeded = await pipeline.decode(embeddings, { ...SECOND, seed: 3, numImagesPerPrompt: 2 })
    expect(new Set(bytes(seeded.images)).size).toBe(2)
    expect(
      bytes((await pipeline.decode(embeddings, { ...SECOND, seed: 3, numImagesPerPrompt: 2 })).images),
    ).toEqual(bytes(seeded.images))
    const other = await pipeline.decode(embeddings, { ...SECOND, seed: 3, prompt: 'a blue cat' })
    expect(bytes(other.images)[0]).not.toBe(bytes(seeded.images)[0])
    expect(other.images[0]?.metadata).toMatchObject({ prompt: 'a blue cat', priorTimesteps: null, seed: 3 })
    const wide = await pipeline.decode(embeddings, { ...SECOND, width: 192, seed: 3 })
    expect(wide.images[0]).toMatchObject({ width: 192, height: 128 })
  })

  it('take what Python wrote, and write what Python reads', async () => {
    const embeddings = await imagined()
    const folder = folderOf({})
    const [ours, theirs] = [join(folder, 'ours.safetensors'), join(folder, 'theirs.safetensors')]
    await embeddings.toFile(ours)
    const python = join(ROOT, '.venv', 'bin', 'python')
    const program = `import sys
from safetensors.torch import load_file, save_file
state = load_file(sys.argv[1])
save_file({'x': state['image_embeddings'] * 2}, sys.argv[2])`
    const ran = spawnSync(python, ['-c', program, ours, theirs], { encoding: 'utf8' })
    expect(ran.stderr).toBe('')
    const twice = await ImageEmbeddings.fromFile(theirs)
    expect(Array.from(twice.data)).toEqual(Array.from(embeddings.data, (value) => value * 2))
    expect(twice.facts.noise).toBeUndefined()
    expect((await pipeline.decode(twice, { ...SECOND, seed: 1 })).images[0]).toMatchObject({
      width: 128,
      height: 128,
    })
  })

  it('interpolate', async () => {
    const [a, b] = [await imagined('a red circle'), await imagined('a small yellow cat', { seed: 9 })]
    expect(ImageEmbeddings.interpolate(a, b, 0).data).toEqual(a.data)
    expect(ImageEmbeddings.interpolate(a, b, 1).data).toEqual(b.data)
    const middle = ImageEmbeddings.interpolate(a, b, 0.5)
    expect(middle.data[0]).toBeCloseTo(((a.data[0] ?? 0) + (b.data[0] ?? 0)) / 2, 5)
    expect(middle.facts).toMatchObject({ width: 128, height: 128, negativePrompt: '' })
    expect(middle.facts).not.toHaveProperty('prompt')
    expect(middle.facts).not.toHaveProperty('noise')
    expect(() => ImageEmbeddings.interpolate(a, b, 1.5)).toThrow(/weight/)
    const wide = await imagined('x', { width: 256 })
    expect(() => ImageEmbeddings.interpolate(a, wide, 0.5)).toThrow(/b\.shape/)
  })

  it('share batches with whole requests and change nothing there', async () => {
    const alone = await pipeline.generate('a blue star', { ...QUICK, seed: 2 })
    const [whole, first] = await Promise.all([
      pipeline.generate('a blue star', { ...QUICK, seed: 2 }),
      pipeline.prior('a red circle', FIRST),
      pipeline.decode(await imagined(), SECOND),
    ])
    const [among, lone] = [whole, alone].map(({ images }) => images[0] as GeneratedImage)
    expect(difference(among as GeneratedImage, lone as GeneratedImage).largest).toBeLessThanOrEqual(
      COMPANY_LEVELS,
    )
    expect(first.timings[0]).toMatchObject({ decoderMs: 0, vqganMs: 0 })
  })

  it('report their own steps only, and abort', async () => {
    const stages: string[] = []
    await pipeline.prior('a', {
      ...FIRST,
      onProgress: ({ stage, step, steps }) => stages.push(`${stage} ${step}/${steps}`),
    })
    expect(stages).toEqual(['prior 1/4', 'prior 2/4', 'prior 3/4', 'prior 4/4'])
    stages.length = 0
    const embeddings = await imagined()
    await pipeline.decode(embeddings, {
      ...SECOND,
      onProgress: ({ stage, step }) => stages.push(`${stage} ${step}`),
    })
    expect(stages).toEqual(['decoder 1', 'decoder 2', 'decoder 3', 'vqgan 1'])
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(pipeline.prior('a', { ...FIRST, signal })).rejects.toThrow('enough')
    await expect(pipeline.decode(embeddings, { ...SECOND, signal })).rejects.toThrow('enough')
  })

  it.each([
    ['no tensor', () => ({}) as never, /Expected embeddings to be \{ shape, data \}/],
    ['a wrong channel count', () => tensor([1, 8, 3, 3]), /embeddings\.shape to be \[1, 16, any, any\]/],
    ['too few numbers', () => ({ shape: [1, 16, 3, 3], data: new Float32Array(5) }), /144 numbers/],
    ['NaN', () => ({ shape: [1, 16, 1, 1], data: new Float32Array(16).fill(Number.NaN) }), /finite/],
    ['two shapes', () => [tensor([1, 16, 3, 3]), tensor([1, 16, 3, 4])], /embeddings\[1\]\.shape/],
    ['none', () => [], /a list of image embeddings, 1 to 256/],
    ['an absurd grid', () => tensor([1, 16, 1, 200]), /the width of the embeddings/],
  ])('refuse %s', async (_what, make, message) => {
    await expect(pipeline.decode(make() as never, SECOND)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    })
  })

  it('refuse the same embeddings twice without a seed, options of the other half, and unknown ones', async () => {
    const embeddings = await imagined()
    await expect(pipeline.decode([embeddings, embeddings], SECOND)).rejects.toThrow(/seed/)
    await expect(pipeline.decode(embeddings, { priorGuidanceScale: 4 } as never)).rejects.toThrow(
      /priorGuidanceScale/,
    )
    await expect(pipeline.prior('a', { numInferenceSteps: 4 } as never)).rejects.toThrow(/numInferenceSteps/)
  })
})

function tensor(shape: number[]): { shape: number[]; data: Float32Array } {
  return { shape, data: new Float32Array(volume(shape)) }
}

describe('prompt embeddings', () => {
  it('do what their text does, as prompt and as negative prompt, alone and in lists', async () => {
    const [circle, cat] = [await pipeline.encodePrompt('a red circle'), await pipeline.encodePrompt('a cat')]
    expect(circle.prior.shape).toEqual([1, 77, expect.any(Number)])
    const guided = { ...QUICK, decoderGuidanceScale: 2 }
    const text = await pipeline.generate('a red circle', { ...guided, negativePrompt: 'a cat' })
    const embedded = await pipeline.generate(circle, { ...guided, negativePrompt: cat })
    expect(bytes(embedded.images)).toEqual(bytes(text.images))
    expect(embedded.images[0]?.metadata.prompt).toBe('a red circle')
    const texts = await pipeline.generate(['a red circle', 'a cat'], QUICK)
    const mixed = await pipeline.generate([circle, 'a cat'], QUICK)
    expect(bytes(mixed.images)).toEqual(bytes(texts.images))
  })

  it('survive a file', async () => {
    const circle = await pipeline.encodePrompt('a red circle — 星')
    const file = join(folderOf({}), 'prompt.safetensors')
    await circle.toFile(file)
    expect(await PromptEmbeddings.fromFile(file)).toEqual(circle)
  })

  it('of another model are refused before anything is queued', async () => {
    const wrong = new PromptEmbeddings({ prior: tensor([1, 3, 5]), decoder: tensor([1, 3, 5]) })
    await expect(pipeline.generate(wrong, QUICK)).rejects.toThrow(/prompt\.prior\.shape to be \[1, 77, /)
    await expect(pipeline.encodePrompt(7 as never)).rejects.toThrow(/prompt/)
  })
})

describe('files of embeddings', () => {
  it('are small, and whole or not there', async () => {
    const { embeddings } = await pipeline.prior('a', {
      ...FIRST,
      width: 1024,
      height: 1024,
      priorNumInferenceSteps: 1,
    })
    const file = join(folderOf({}), 'x.safetensors')
    await embeddings[0]?.toFile(file)
    expect(embeddings[0]?.shape).toEqual([1, 16, 24, 24])
    expect(statSync(file).size).toBeLessThan(38_000)
    await expect(embeddings[0]?.toFile(join(file, 'no', 'folder'))).rejects.toThrow()
    expect(existsSync(join(file, 'no'))).toBe(false)
  })

  it.each([
    ['nothing', () => Buffer.alloc(0)],
    ['half a file', (whole: Buffer) => whole.subarray(0, whole.length - 1)],
    ['an absurd header', () => Buffer.alloc(16, 0xff)],
    [
      'another shape',
      (whole: Buffer) => Buffer.from(whole.toString('latin1').replace('[1,16,', '[16,1,'), 'latin1'),
    ],
    [
      'NaN',
      (whole: Buffer) =>
        Buffer.concat([whole.subarray(0, whole.length - 4), Buffer.from([0, 0, 0xc0, 0x7f])]),
    ],
  ])('with %s are refused', async (_what, damage) => {
    const file = join(folderOf({}), 'x.safetensors')
    await (await imagined()).toFile(file)
    const whole = readFileSync(file)
    expect(() => ImageEmbeddings.fromSafetensors(damage(whole))).toThrow(
      expect.objectContaining({ code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID' }),
    )
  })

  it('leave out facts that are not what they should be', async () => {
    const embeddings = await imagined()
    const { noise, ...facts } = embeddings.facts
    const lying = new ImageEmbeddings(embeddings, {
      ...facts,
      width: -5,
      noise: { ...noise, rows: 1e9 } as never,
    })
    const read = ImageEmbeddings.fromSafetensors(lying.toSafetensors())
    expect(read.facts.width).toBeUndefined()
    expect(read.facts.noise).toBeUndefined()
    expect(read.facts.prompt).toBe('a red circle')
  })
})
