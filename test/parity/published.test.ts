/** A picture of diffusers' own tests: the numbers that are published with them, whatever diffusers is installed. */
import path from 'node:path'
import { ensureFixtures } from '../../bench/support/reference'
import { WuerstchenPipeline } from '../../lib'

/**
 * tests/pipelines/wuerstchen/test_wuerstchen_combined.py: the last channel of the last three pixels of the last three rows, from 0
 * to 1. Its checkpoint is written by scripts/diffusers_checkpoint.py.
 */
const PUBLISHED = [0.7616304, 0, 1, 0, 1, 0, 0.05925313, 0, 0.951898]
/** That test's own; half of it is what a picture of bytes cannot tell. */
const TOLERANCE = 1e-2

it.each(['packed', 'off'] as const)(
  "diffusers' own fast test has its picture, kernels: '%s'",
  async (kernels) => {
    const fixtures = ensureFixtures()
    await using pipeline = await WuerstchenPipeline.fromPretrained(path.join(fixtures, 'fast-test'), {
      graphs: [path.join(fixtures, 'graphs', 'fast-test')],
      device: 'cpu',
      dtype: 'float32',
      kernels,
    })
    const { images } = await pipeline.generate('horse', {
      seed: 0,
      width: 128,
      height: 128,
      priorNumInferenceSteps: 2,
      priorGuidanceScale: 4,
      numInferenceSteps: 2,
      decoderGuidanceScale: 4,
    })
    const [image] = images
    if (image === undefined) throw new Error('There is no image')
    const side = [125, 126, 127]
    const corner = side.flatMap((y) => side.map((x) => (image.data[(y * 128 + x) * 3 + 2] as number) / 255))
    const apart = corner.map((value, index) => Math.abs(value - (PUBLISHED[index] as number)))
    expect(Math.max(...apart)).toBeLessThan(TOLERANCE)
  },
)
