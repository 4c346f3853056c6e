import { pictureOf } from '../../lib/engine/job'
import { keptBytes, Memory, pictureBytes, sumOf } from '../../lib/engine/memory'
import { type Offload, Residency } from '../../lib/engine/residency'
import { FakeDevice, FakeGraph } from '../support/fake-device'
import { fakeRequest } from '../support/fake-model'

/** v2's. */
const FOOTPRINT = {
  prior: { channels: 1536, attentions: 32 },
  decoder: {
    levels: [320, 640, 1280, 1280].map((channels, level) => ({ channels, scale: 1 / (2 * 2 ** level) })),
    mapChannels: 1024,
    attentionChannels: 2 * (4 * 640 + 18 * 1280),
  },
  vqgan: {
    levels: [
      { channels: 384, scale: 1 },
      { channels: 192, scale: 2 },
    ],
  },
}

const PICTURE = pictureOf(fakeRequest({ size: 128, priorGuidanceScale: 4 }))
const GUIDED = pictureOf(fakeRequest({ size: 128, decoderGuidanceScale: 2 }))
const LARGE = pictureOf(fakeRequest({ size: 256 }))

function start(offload: Offload, limit: number | null = null) {
  const residency = new Residency(new FakeDevice(), offload)
  const network = (name: string, weights: number, widest = 0) => ({
    graph: new FakeGraph(name, { weights, copied: 0 }),
    widest,
    packed: 0,
  })
  const networks = {
    prior: [network('priorTextEncoder', 1e9, 6e7), network('prior', 2e9)],
    decoder: [network('decoder', 2.5e9)],
    vqgan: [network('vqgan', 4e7)],
  }
  return new Memory(residency, networks, FOOTPRINT, limit)
}

describe('pictureBytes()', () => {
  it('is what was measured of v2 at 512x512, and little more', () => {
    const measured = { vqgan: 0.453e9 } // bytes, with bfloat16 weights that are widened: 6e6 of these
    const predicted = pictureBytes(FOOTPRINT, 'vqgan', PICTURE)
    expect(predicted).toBeGreaterThan(measured.vqgan)
    expect(predicted).toBeLessThan(1.2 * measured.vqgan)
  })

  it('grows with the picture and with guidance', () => {
    for (const stage of ['decoder', 'vqgan'] as const) {
      const ratio = pictureBytes(FOOTPRINT, stage, LARGE) / pictureBytes(FOOTPRINT, stage, PICTURE)
      expect(ratio).toBeGreaterThan(3.5)
      expect(ratio).toBeLessThan(4.01)
    }
    expect(pictureBytes(FOOTPRINT, 'decoder', GUIDED)).toBe(2 * pictureBytes(FOOTPRINT, 'decoder', PICTURE))
  })
})

describe('Memory', () => {
  it('counts all weights without offloading, else those of a network', () => {
    const [all, one] = [start('none').predict(PICTURE), start('model').predict(PICTURE)]
    expect(all.vqgan - one.vqgan).toBeCloseTo(5.5e9)
    expect(one.prior).toBeGreaterThan(2e9 + 4 * 6e7) // the largest network, and its widened weight
  })

  it('refuses a picture that does not fit, with the numbers', () => {
    const memory = start('model', 3e9)
    memory.check(PICTURE, ['prior', 'decoder', 'vqgan'])
    const huge = pictureOf(fakeRequest({ size: 1024 }))
    memory.check(huge, ['prior'])
    expect(() => memory.check(huge, ['prior', 'decoder', 'vqgan'])).toThrow(
      expect.objectContaining({
        code: 'ERR_WUERSTCHEN_MEMORY_LIMIT',
        retryable: false,
        details: { maxMemory: 3e9, predicted: memory.predict(huge).vqgan, stages: memory.predict(huge) },
      }),
    )
    start('model').check(huge, ['prior', 'decoder', 'vqgan']) // without a limit
  })

  it('says which parts of the room a picture takes, in steps and between them', () => {
    const stages = ['prior', 'decoder', 'vqgan'] as const
    expect(start('model').shares(PICTURE, stages)).toEqual({
      kept: 0,
      steps: { prior: 0, decoder: 0, vqgan: 0 },
    })
    const room = 3e9 - 2.5e9
    const { kept, steps } = start('model', 3e9).shares(PICTURE, ['decoder', 'vqgan'])
    expect(kept).toBeCloseTo(keptBytes(FOOTPRINT, 'decoder', PICTURE) / room)
    expect(kept + steps.decoder).toBeCloseTo(pictureBytes(FOOTPRINT, 'decoder', PICTURE) / room)
    expect(start('model', 1e9).shares(PICTURE, stages).steps.decoder).toBe(1) // no room at all: alone
  })

  it('reports by stage, and sums up devices', () => {
    const report = start('none').report(PICTURE)
    expect(report.held).toBe(5.54e9)
    expect(report.stages.prior).toMatchObject({ weights: 3e9, held: 3e9, peak: 0 })
    expect(report.predicted).toBe(Math.max(...Object.values(start('none').predict(PICTURE))))
    expect(sumOf([report, report])).toMatchObject({ held: 2 * report.held, predicted: 2 * report.predicted })
  })
})
