/** Whole pictures against diffusers, live, on the same weights: every channel of every pixel within one level. */

import path from 'node:path'
import { parityCases, picturesOf } from '../../bench/support/parity-cases'
import { difference, ensureFixtures, Reference, ROOT } from '../../bench/support/reference'
import { DEFAULT_STAGE_C_TIMESTEPS, WuerstchenPipeline } from '../../lib'

const cases = parityCases({ defaultTimesteps: [...DEFAULT_STAGE_C_TIMESTEPS] })

describe.each(['small', 'shapes'] as const)('the pictures of %s', (model) => {
  let reference: Reference
  let pipeline: WuerstchenPipeline

  beforeAll(async () => {
    const fixtures = ensureFixtures()
    const folder = model === 'small' ? path.join(fixtures, 'small') : path.join(ROOT, 'models', 'shapes')
    reference = await new Reference(folder, `${folder}-prior`).ready()
    pipeline = await WuerstchenPipeline.fromPretrained(folder, {
      graphs: [path.join(fixtures, 'graphs', 'small')],
      dtype: 'float32',
      device: 'cpu',
    })
  }, 120_000)

  afterAll(async () => {
    await pipeline?.dispose()
    await reference?.close()
  })

  it.each(cases.filter((one) => one.model === model))(
    'equal those of diffusers: $name',
    async (one) => {
      const wanted = await reference.generate(one.request)
      const images = await picturesOf(pipeline, one)
      expect(images).toHaveLength(wanted.images.length)
      for (const [index, image] of images.entries()) {
        const other = wanted.images[index]
        if (!other) throw new Error('The reference made fewer images')
        expect(difference(image, other).largest).toBeLessThanOrEqual(1)
      }
    },
    120_000,
  )

  if (model === 'small') {
    it('depend visibly on the prompt, the seed and the guidance', async () => {
      const [base] = cases
      if (!base) throw new Error('There are no cases')
      const { prompt, ...options } = base.request
      const draw = async (text: string, changes: object) => {
        const { images } = await pipeline.generate(text, { ...options, ...changes })
        const [image] = images
        if (!image) throw new Error('There is no image')
        return image
      }
      const plain = await draw(prompt, {})
      for (const other of [
        await draw('a small yellow cat', {}),
        await draw(prompt, { seed: 8 }),
        await draw(prompt, { priorGuidanceScale: 1 }),
        await draw(prompt, { decoderGuidanceScale: 3 }),
        await draw(prompt, { negativePrompt: 'a red circle' }),
      ]) {
        expect(difference(plain, other).mean).toBeGreaterThan(1)
      }
    }, 60_000)
  }
})
