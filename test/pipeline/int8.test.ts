/** `dtype: 'int8'`, from the option to the picture. */
import { WuerstchenPipeline } from '../../lib'
import { loadRuntime } from '../../lib/native/binding'
import { describeBundled, QUICK } from '../support/models'

const supported = loadRuntime({}).cpu.kind !== 'baseline'
const name = `dtype int8${supported ? '' : ' (refused: this CPU has neither AVX2 nor AVX-512)'}`

describeBundled(name, () => {
  const open = (dtype: 'int8' | 'float32') =>
    WuerstchenPipeline.fromPretrained(undefined, { device: 'cpu', threads: 1, dtype })

  if (!supported) {
    it('is refused before anything is loaded', async () => {
      await expect(open('int8')).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_DEVICE_UNAVAILABLE' })
    })
    return
  }

  it('draws nearly what float32 draws, with a quarter of its packed weights', async () => {
    const pictures: Uint8Array[] = []
    const held: number[] = []
    for (const dtype of ['float32', 'int8'] as const) {
      const pipeline = await open(dtype)
      expect(pipeline.info.dtype).toBe(dtype)
      const { images } = await pipeline.generate('a red circle on a blue background', QUICK)
      expect(images[0]?.metadata).toMatchObject({ dtype })
      pictures.push(images[0]?.data as Uint8Array)
      held.push(pipeline.memory().predicted)
      await pipeline.dispose()
    }
    const [exact, narrow] = pictures as [Uint8Array, Uint8Array]
    const apart = exact.map((value, index) => Math.abs(value - (narrow[index] as number)))
    const mean = apart.reduce((sum, one) => sum + one, 0) / apart.length
    expect(mean).toBeGreaterThan(0)
    expect(mean).toBeLessThan(3)
    expect(held[1]).toBeLessThan(held[0] as number)
  })
})
