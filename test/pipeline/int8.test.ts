/** `dtype: 'int8'`, from the option to the picture. */
import { difference, type Pixels } from '../../bench/support/reference'
import { WuerstchenPipeline } from '../../lib'
import { loadRuntime } from '../../lib/native/binding'
import { describeBundled, QUICK } from '../support/models'

const supported = loadRuntime({}).cpu.kind !== 'baseline'
const name = `dtype int8${supported ? '' : ' (refused: this CPU has neither AVX2 nor AVX-512)'}`

describeBundled(name, () => {
  /** Of 255. It is 0.06 with AVX-512 and 0.13 with AVX2, whose kernels take Stage A's narrowest layers too. Stage A in bfloat16: 0.36. */
  const LEVELS = 0.2
  const PROMPTS = [
    'a red circle on a blue background',
    'a small yellow star on the left on a black background',
    'a green house above a pink heart on a white background',
    'a purple fish on a grey background',
  ]
  const open = (dtype: 'int8' | 'float32') =>
    WuerstchenPipeline.fromPretrained(undefined, { device: 'cpu', threads: 1, dtype })

  const draw = async (dtype: 'int8' | 'float32') => {
    await using pipeline = await open(dtype)
    // Blocks are packed as they first run.
    const privateBytes = () => {
      const { prior, decoder } = pipeline.memory().stages
      return prior.private + decoder.private
    }
    const before = privateBytes()
    const { images } = await pipeline.generate(PROMPTS, QUICK)
    for (const { metadata } of images) expect(metadata).toMatchObject({ dtype })
    expect(pipeline.info.dtype).toBe(dtype)
    return { images, predicted: pipeline.memory().predicted, packed: privateBytes() - before }
  }

  if (!supported) {
    it('is refused before anything is loaded', async () => {
      await expect(open('int8')).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_DEVICE_UNAVAILABLE' })
    })
    return
  }

  it('draws what float32 draws within a fifth of a level, with a quarter of its packed weights', async () => {
    const [exact, narrow] = [await draw('float32'), await draw('int8')]
    const apart = narrow.images.map((image, index) => difference(image, exact.images[index] as Pixels).mean)
    const mean = apart.reduce((sum, one) => sum + one, 0) / apart.length
    expect(mean).toBeGreaterThan(0)
    expect(mean).toBeLessThan(LEVELS)
    expect(narrow.predicted).toBeLessThan(exact.predicted)
    // 8 bits of 32, the scales beside them, and in full what has few weights: heads, and the ways between Stage B's levels.
    expect(narrow.packed / exact.packed).toBeGreaterThan(1 / 4)
    expect(narrow.packed / exact.packed).toBeLessThan(0.35)
  })
})
