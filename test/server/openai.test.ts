import OpenAI, { toFile } from 'openai'
import sharp from 'sharp'
import { difference } from '../../bench/support/reference'
import { readParameters, WuerstchenPipeline } from '../../lib'
import { gate, type Served, serve, serveFake, until } from '../support/http-server'
import { describeBundled } from '../support/models'

const FEW = { seed: 7, prior_num_inference_steps: 4, num_inference_steps: 3 }
// The client's types do not know options of ours.
const ours = (wuerstchen: object) => ({ wuerstchen }) as object
const bytesOf = ({ data }: OpenAI.ImagesResponse, index = 0) =>
  Buffer.from(data?.[index]?.b64_json ?? '', 'base64')

type Pixels = Parameters<typeof difference>[0]
async function pixels(png: Buffer): Promise<Pixels> {
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height }
}

describeBundled('the openai client', () => {
  let pipeline: WuerstchenPipeline
  let served: Served
  let client: OpenAI
  beforeAll(async () => {
    pipeline = await WuerstchenPipeline.fromPretrained(undefined, { device: 'cpu', threads: 1 })
    served = await serve({ pipeline, modelAliases: ['gpt-image-1'] })
    client = new OpenAI({ baseURL: `${served.url}/v1`, apiKey: 'none', maxRetries: 0 })
  })
  afterAll(async () => {
    await served.server.close()
    await pipeline.dispose()
  })

  it('gets the very pictures of the pipeline', async () => {
    const answer = await client.images.generate({
      model: 'gpt-image-1',
      prompt: 'a red circle',
      n: 2,
      size: '128x64' as '256x256',
      quality: 'high',
      user: 'someone',
      ...ours(FEW),
    })
    const direct = await pipeline.generate('a red circle', {
      width: 128,
      height: 64,
      seed: 7,
      numImagesPerPrompt: 2,
      priorNumInferenceSteps: 4,
      numInferenceSteps: 3,
    })
    const wanted = await Promise.all(
      direct.images.map(async (image) => (await image.toBuffer()).toString('base64')),
    )
    expect(answer.data?.map(({ b64_json }) => b64_json)).toEqual(wanted)
    expect(answer).toMatchObject({ size: '128x64', output_format: 'png', background: 'opaque' })
    expect((answer as unknown as { wuerstchen: unknown }).wuerstchen).toMatchObject({
      seeds: [7, 7],
      warnings: [],
    })
  })

  it('gets a seed for each picture where it gave none, and each picture again by its own', async () => {
    const { seed: _, ...steps } = FEW
    const again = { prompt: 'a red circle', size: '64x64' as '256x256' }
    const answer = await client.images.generate({ ...again, n: 3, ...ours(steps) })
    const { seeds } = (answer as unknown as { wuerstchen: { seeds: number[] } }).wuerstchen
    expect(new Set(seeds).size).toBe(3)
    const second = bytesOf(answer, 1)
    expect(await readParameters(second)).toMatchObject({ seed: seeds[1] })
    const alone = await client.images.generate({ ...again, ...ours({ ...steps, seed: seeds[1] }) })
    const levels = await Promise.all([second, bytesOf(alone)].map(pixels))
    expect(difference(levels[0] as Pixels, levels[1] as Pixels).largest).toBe(0)
    const streamed: number[] = []
    for await (const event of await client.images.generate({ ...again, n: 2, stream: true, ...ours(steps) }))
      streamed.push((event as unknown as { wuerstchen: { seed: number } }).wuerstchen.seed)
    expect(new Set(streamed).size).toBe(2)
  })

  it("takes the model's own size for auto, and formats and compression", async () => {
    const sizes: number[] = []
    for (const output_compression of [10, 90]) {
      const { data } = await client.images.generate({
        prompt: 'a red circle',
        size: 'auto',
        output_format: 'jpeg',
        output_compression,
        ...ours(FEW),
      })
      const bytes = Buffer.from(data?.[0]?.b64_json ?? '', 'base64')
      expect(bytes.subarray(0, 2)).toEqual(Buffer.from([0xff, 0xd8]))
      sizes.push(bytes.length)
    }
    expect(sizes[0]).toBeLessThan(sizes[1] ?? 0)
  })

  it('gets addresses of pictures that need no key', async () => {
    const { data } = await client.images.generate({
      prompt: 'a blue square',
      response_format: 'url',
      ...ours({ ...FEW, width: 64, height: 64 }),
    })
    const picture = await fetch(data?.[0]?.url ?? '')
    expect(picture.status).toBe(200)
    const bytes = new Uint8Array(await picture.arrayBuffer())
    expect(await readParameters(bytes)).toMatchObject({ prompt: 'a blue square', seed: 7 })
  })

  it('streams partial images, then the picture', async () => {
    const stream = await client.images.generate({
      prompt: 'a red circle',
      stream: true,
      partial_images: 2,
      ...ours({ ...FEW, prior_num_inference_steps: 9 }),
    })
    const events = []
    for await (const event of stream) events.push(event)
    expect(events.map(({ type }) => type)).toEqual([
      'image_generation.partial_image',
      'image_generation.partial_image',
      'image_generation.completed',
    ])
    expect(
      events.slice(0, 2).map((event) => (event as { partial_image_index: number }).partial_image_index),
    ).toEqual([0, 1])
    const last = Buffer.from((events.at(-1) as { b64_json: string }).b64_json, 'base64')
    expect(await readParameters(last)).toMatchObject({ prompt: 'a red circle', seed: 7, width: 256 })
  })

  it('streams as many partial images where the steps are the default ones', async () => {
    const stream = await client.images.generate({ prompt: 'a red circle', stream: true, partial_images: 2 })
    const types = []
    for await (const { type } of stream) types.push(type)
    expect(types.filter((type) => type === 'image_generation.partial_image')).toHaveLength(2)
  })

  it('streams the picture alone where no partial images are asked for', async () => {
    const stream = await client.images.generate({ prompt: 'a red circle', stream: true, ...ours(FEW) })
    const types = []
    for await (const { type } of stream) types.push(type)
    expect(types).toEqual(['image_generation.completed'])
  })

  it('reads prompts as our options say', async () => {
    const reading = { prompt_syntax: 'a1111', long_prompts: 'chunk' }
    const prompt = 'a (red:1.4) circle'
    const { data } = await client.images.generate({ prompt, ...ours({ ...FEW, ...reading }) })
    const metadata = await readParameters(Buffer.from(data?.[0]?.b64_json ?? '', 'base64'))
    expect(metadata).toMatchObject({ prompt, promptSyntax: 'a1111', longPrompts: 'chunk' })
    const compel = { ...FEW, prompt_syntax: 'compel' }
    await expect(client.images.generate({ prompt: 'a (cat', ...ours(compel) })).rejects.toMatchObject({
      status: 400,
      param: 'prompt',
      code: 'ERR_WUERSTCHEN_PROMPT_SYNTAX',
    })
  })

  it('lists models', async () => {
    const names: string[] = []
    for await (const { id } of client.models.list()) names.push(id)
    expect(names).toEqual(['shapes', 'wuerstchen', 'gpt-image-1'])
    expect(await client.models.retrieve('shapes')).toMatchObject({ id: 'shapes', object: 'model' })
  })

  it.each([
    ['a size that is none', { size: 'wide' }, 400, 'size'],
    ['a size that is too small', { size: '16x16' }, 400, 'size'],
    ['too many pictures', { n: 11 }, 400, 'n'],
    ['a transparent background', { background: 'transparent' }, 400, 'background'],
    ['another model', { model: 'dall-e-3' }, 404, 'model'],
    ['a misspelt option of ours', { wuerstchen: { sed: 7 } }, 400, 'wuerstchen.sed'],
    [
      'too many steps',
      { wuerstchen: { prior_num_inference_steps: 101 } },
      400,
      'wuerstchen.prior_num_inference_steps',
    ],
    ['too many pixels', { size: '4096x4096' }, 400, 'size'],
    ['an empty prompt', { prompt: '' }, 400, 'prompt'],
  ])('sees its own error class for %s', async (_what, body, status, param) => {
    const asking = client.images.generate({ prompt: 'x', ...(body as object) })
    await expect(asking).rejects.toMatchObject({ status, param, type: 'invalid_request_error' })
    await expect(asking).rejects.toBeInstanceOf(
      status === 404 ? OpenAI.NotFoundError : OpenAI.BadRequestError,
    )
  })

  it('is told that pictures do not go in', async () => {
    const asking = client.images.edit({
      image: await toFile(Buffer.alloc(1000), 'picture.png', { type: 'image/png' }),
      prompt: 'x',
    })
    await expect(asking).rejects.toMatchObject({ status: 400, code: 'unsupported' })
  })

  it('cancels its picture when it goes away', async () => {
    const abort = new AbortController()
    const asking = client.images.generate(
      { prompt: 'x', ...ours({ prior_num_inference_steps: 100 }) },
      { signal: abort.signal },
    )
    await until(() => pipeline.statistics.running > 0)
    const before = pipeline.statistics
    abort.abort()
    await expect(asking).rejects.toThrow()
    await until(() => pipeline.statistics.running === 0)
    expect(pipeline.statistics.failed).toBe(before.failed + 1)
    expect(pipeline.statistics.stages.prior.steps).toBeLessThan(before.stages.prior.steps + 50)
  })
})

describe('POST /v1/images/generations', () => {
  const request = { prompt: 'a red circle', wuerstchen: FEW }

  it('keeps nothing once the pictures are delivered', async () => {
    await using served = await serveFake()
    expect((await served.post('/v1/images/generations', request)).status).toBe(200)
    await (await served.post('/v1/images/generations', { ...request, stream: true })).text()
    await until(async () => (await served.server.backend.statistics()).keptJobs === 0)
    expect(await served.server.backend.statistics()).toMatchObject({ keptBytes: 0, succeeded: 2 })
  })

  it('cancels within a step when the client of a stream goes away', async () => {
    await using served = await serveFake()
    const hold = gate(served.device)
    const leaving = new AbortController()
    const response = await fetch(`${served.url}/v1/images/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...request, stream: true }),
      signal: leaving.signal,
    })
    expect(response.status).toBe(200)
    await hold.reached
    leaving.abort()
    await until(async () => (await served.server.backend.statistics()).canceled === 1)
    hold.open()
    // One that is finished after it: what was left of the first would have been made before.
    expect((await served.post('/v1/images/generations', request)).status).toBe(200)
    const steps = FEW.prior_num_inference_steps + FEW.num_inference_steps
    expect(served.device.named('advance').length).toBeLessThanOrEqual(2 + steps)
  })

  it('answers 408 at its deadline, and tells the client not to ask again', async () => {
    await using served = await serveFake()
    const hold = gate(served.device)
    const response = await served.post('/v1/images/generations', request, { 'wuerstchen-timeout-ms': '30' })
    expect(response.status).toBe(408)
    expect(response.headers.get('x-should-retry')).toBe('false')
    hold.open()
  })
})
