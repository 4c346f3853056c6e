import { loadRuntime } from '../../lib/native/binding'
import type { NativeDevice } from '../../lib/native/types'
import golden from '../goldens/noise.json'

describe('noise', () => {
  let device: NativeDevice
  beforeAll(() => {
    device = loadRuntime().addon.openDevice({ device: 'cpu', threads: 1 })
  })
  afterAll(() => device.close())

  /** The bits of one row's next draw. */
  async function draw(noise: ReturnType<NativeDevice['noise']>, noiseRow: number, shape: readonly number[]) {
    const [, c = 0, h = 0, w = 0] = shape
    const latents = await device.drawLatents({ noise, noiseRow, shape: [c, h, w] })
    const { data } = await device.read(latents)
    latents.dispose()
    return [...new Int32Array(data.buffer, data.byteOffset, data.length)]
  }

  it.each(Object.entries(golden.draws))(
    "is bit-equal to torch's of seed %s, whoever asks first",
    async (seed, draws) => {
      const [rows = 0] = golden.shapes[0] ?? []
      const noise = device.noise({ seed: Number(seed), rows, dtype: 'float32' })
      expect(draws.length).toBe(golden.shapes.length)
      // The last row runs through all its draws before the others begin.
      for (let row = rows - 1; row >= 0; row--) {
        for (const [index, shape] of golden.shapes.entries()) {
          const all = draws[index] ?? []
          const size = all.length / rows
          expect(await draw(noise, row, shape)).toEqual(all.slice(row * size, (row + 1) * size))
        }
      }
      noise.dispose()
    },
  )
})
