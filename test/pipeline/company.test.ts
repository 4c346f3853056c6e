/** A picture is the same to the last bit, whoever shares its batches. */
import { difference } from '../../bench/support/reference'
import { WuerstchenPipeline } from '../../lib'
import { hasKernels } from '../support/company'
import { describeBundled } from '../support/models'

const kernels = hasKernels ? '' : ' (SKIPPED: this CPU has no kernels of ours)'
const exact = hasKernels ? it : it.skip

describeBundled('company', () => {
  const COUNT = 6
  const STEPS = { width: 256, height: 256, priorNumInferenceSteps: 4, numInferenceSteps: 2 }
  const prompts = [
    'a red circle',
    'a small yellow star left of a blue house',
    'a green heart',
    'a cat',
  ] as const
  const draw = async (pipeline: WuerstchenPipeline, index: number) => {
    const prompt = prompts[index % prompts.length] as string
    const { images } = await pipeline.generate(prompt, { ...STEPS, seed: 100 + index })
    return images[0] as (typeof images)[number]
  }
  const several = (pipeline: WuerstchenPipeline, count: number) =>
    Promise.all(Array.from({ length: count }, (_, index) => draw(pipeline, index)))

  // libtorch's own products order their sums by the number of rows.
  exact.each(['float32', 'bfloat16', 'int8'] as const)(`changes no bit in %s${kernels}`, async (dtype) => {
    const options = { dtype, device: 'cpu', maxBatchRows: 2 * COUNT }
    await using pipeline = await WuerstchenPipeline.fromPretrained(undefined, options)
    const together = await several(pipeline, COUNT)
    const fewer = await several(pipeline, 3)
    await using other = await WuerstchenPipeline.fromPretrained(undefined, {
      ...options,
      promptCacheBytes: 0,
    })
    for (const [index, picture] of together.entries()) {
      const alone = await draw(other, index)
      expect(difference(picture, alone).largest).toBe(0)
      const among = fewer[index]
      if (among !== undefined) expect(difference(among, alone).largest).toBe(0)
    }
    expect(difference(together[0] as never, together[1] as never).mean).toBeGreaterThan(1)
  })
})
