/** Previews of the real thing: what they show, and that they change nothing. */

import { type GeneratePreview, WuerstchenPipeline } from '../../lib'
import { closeModel } from '../../lib/memory/loaded-model'
import { loadPretrained } from '../../lib/pipeline/pretrained'
import { QUICK, smallModel } from '../support/models'

let pipeline: WuerstchenPipeline
beforeAll(async () => {
  const { folder, options } = smallModel()
  pipeline = await WuerstchenPipeline.fromPretrained(folder, options)
})
afterAll(() => pipeline?.dispose())

it('show small what the image embeddings will be', async () => {
  const seen: GeneratePreview[] = []
  const options = { width: 256, height: 128, seed: 7, priorTimesteps: [0.6, 0], previewEvery: 1 }
  const { embeddings } = await pipeline.prior('a cat', { ...options, onPreview: (one) => seen.push(one) })
  const [{ image: preview } = {}] = seen
  const [{ shape, data } = { shape: [], data: new Float32Array() }] = embeddings
  expect(seen).toMatchObject([{ index: 0, step: 1, steps: 1, image: { width: 24, height: 12 } }])

  const { folder, options: small } = smallModel()
  const {
    models: [model],
  } = await loadPretrained(folder, small)
  const tensor = await model.device.write({ dtype: 'float32', shape, data })
  const wanted = await model.previewer?.decode(tensor)
  tensor.dispose()
  await closeModel(model)
  // The last step leads to timestep 0, where a ten-thousandth of noise is left by the schedule.
  const levels = wanted?.data.map((value, index) => Math.abs(value - (preview?.data[index] ?? 0))) ?? [255]
  expect(Math.max(...levels)).toBeLessThanOrEqual(8)
  expect(new Set(wanted?.data).size).toBeGreaterThan(20)
})

it('change no picture, in batches of those with and without', async () => {
  const plain = await pipeline.generate(['a cat', 'a dog'], QUICK)
  const seen: number[] = []
  const [looked, other] = await Promise.all([
    pipeline.generate(['a cat', 'a dog'], {
      ...QUICK,
      previewEvery: 2,
      onPreview: ({ step }) => seen.push(step),
    }),
    pipeline.generate('a bird', QUICK),
  ])
  expect(other.images).toHaveLength(1)
  expect(seen).toEqual([2, 2, 4, 4])
  for (const [index, image] of looked.images.entries()) {
    const wanted = plain.images[index]?.data ?? new Uint8Array()
    const largest = image.data.reduce(
      (most, value, place) => Math.max(most, Math.abs(value - (wanted[place] ?? 0))),
      0,
    )
    expect(largest).toBeLessThanOrEqual(1)
  }
})

it('are events of a stream', async () => {
  const types: string[] = []
  for await (const event of pipeline.stream('a cat', { ...QUICK, previewEvery: 4 })) {
    types.push(event.type)
    if (event.type === 'preview') {
      expect(event).toMatchObject({ index: 0, step: 4, steps: 4 })
      expect((await event.image.toBuffer('png')).length).toBeGreaterThan(100)
    }
  }
  expect(types.filter((type) => type === 'preview')).toHaveLength(1)
  expect(types.at(-1)).toBe('image')
})
