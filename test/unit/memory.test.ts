import { keptBytes, Memory, pictureBytes, sumOf } from '../../lib/memory/memory'
import { pictureOf } from '../../lib/memory/picture'
import { type Offload, Residency } from '../../lib/memory/residency'
import { FakeDevice, FakeGraph } from '../support/fake-device'
import { fakeRequest } from '../support/fake-model'

/** v2's. */
const FOOTPRINT = {
  prior: { channels: 1536, attentions: 32 },
  decoder: {
    levels: [320, 640, 1280, 1280].map((channels, level) => ({ channels, scale: 1 / (2 * 2 ** level) })),
    imageChannels: 16,
    mapChannels: 1024,
    maps: [false, true, true, true],
    attentionChannels: 2 * (4 * 640 + 18 * 1280),
  },
  vqgan: {
    levels: [
      { channels: 384, scale: 1 },
      { channels: 192, scale: 2 },
    ],
    blocks: 12,
  },
}

const GRAPH = { numberBytes: 4, kernels: false, threads: 2 }
const KERNELS = { numberBytes: 4, kernels: true, threads: 2 }
const ALL = { prior: GRAPH, decoder: GRAPH, vqgan: GRAPH }
const PICTURE = pictureOf(fakeRequest({ size: 128, priorGuidanceScale: 4 }))
const GUIDED = pictureOf(fakeRequest({ size: 128, decoderGuidanceScale: 2 }))
const LARGE = pictureOf(fakeRequest({ size: 256 }))

function start(offload: Offload, limit: number | null = null) {
  const residency = new Residency(new FakeDevice(), offload)
  const network = (name: string, weights: number, widest = 0) => ({
    graph: new FakeGraph(name, { weights, copied: 0 }),
    widest,
    packed: 0,
    prepared: 0,
  })
  const networks = {
    prior: [network('priorTextEncoder', 1e9, 6e7), network('prior', 2e9)],
    decoder: [network('decoder', 2.5e9)],
    vqgan: [network('vqgan', 4e7)],
  }
  return new Memory(residency, networks, FOOTPRINT, ALL, limit)
}

/** The same with a prior of which a LoRA changes so many bytes. */
function startChanged(offload: Offload, copied: number): Memory {
  const residency = new Residency(new FakeDevice(), offload)
  const prior = new FakeGraph('prior', { weights: 2e9, copied: 0 })
  const vqgan = new FakeGraph('vqgan', { weights: 4e7, copied: 0 })
  const of = (graph: FakeGraph) => ({ graph, widest: 0, packed: 0, prepared: 0 })
  const networks = { prior: [of(prior)], decoder: [], vqgan: [of(vqgan)] }
  const memory = new Memory(residency, networks, FOOTPRINT, ALL, null)
  prior.memory = { weights: 2e9, copied } // later than it was loaded
  return memory
}

describe('pictureBytes()', () => {
  it('is what was measured of v2 at 512x512, and little more', () => {
    const measured = { vqgan: 0.453e9 } // bytes, with bfloat16 weights that are widened: 6e6 of these
    const predicted = pictureBytes(FOOTPRINT, 'vqgan', PICTURE, GRAPH)
    expect(predicted).toBeGreaterThan(measured.vqgan)
    expect(predicted).toBeLessThan(1.2 * measured.vqgan)
  })

  // What tensors took from one size to the next, v2's widths in float32 (512x512 less 256x256).
  it.each([['decoder', 128, 64, 34.6e6]] as const)(
    'is what the kernels of the %s were measured to take, and little more',
    (stage, side, less, measured) => {
      const of = (size: number) =>
        pictureBytes(
          FOOTPRINT,
          stage,
          { ...PICTURE, sizes: { ...PICTURE.sizes, latentHeight: size, latentWidth: size } },
          KERNELS,
        )
      expect((of(side) - of(less)) / measured).toBeGreaterThan(1)
      expect((of(side) - of(less)) / measured).toBeLessThan(1.25)
    },
  )

  // What a decode took at most beside packed weights, with v2's widths on two threads (`NativeGraph.peakBytes`).
  it.each([
    [512, 2, 54.7e6],
    [2048, 2, 68.7e6],
    [2048, 4, 124.4e6],
  ] as const)(
    'is what strips of Stage A were measured to take at %d pixels, and little more',
    (side, numberBytes, measured) => {
      const [latents, pixels] = [side / 4, side]
      const sizes = {
        ...PICTURE.sizes,
        latentHeight: latents,
        latentWidth: latents,
        pixelWidth: pixels,
        pixelHeight: pixels,
      }
      const predicted = pictureBytes(FOOTPRINT, 'vqgan', { ...PICTURE, sizes }, { ...KERNELS, numberBytes })
      expect(predicted / measured).toBeGreaterThan(1)
      expect(predicted / measured).toBeLessThan(1.25)
    },
  )

  it('hardly grows with the height of a picture in Stage A, and stays below half a gigabyte', () => {
    const of = (side: number, threads: number) => {
      const sizes = {
        ...PICTURE.sizes,
        latentHeight: side / 4,
        latentWidth: side / 4,
        pixelWidth: side,
        pixelHeight: side,
      }
      return pictureBytes(FOOTPRINT, 'vqgan', { ...PICTURE, sizes }, { ...KERNELS, threads })
    }
    expect(of(4096, 2)).toBeLessThan(0.25e9)
    expect(of(4096, 64)).toBeLessThan(0.5e9)
    expect(of(4096, 2) / of(1024, 2)).toBeLessThan(2)
  })

  it('is half in a type of half the width', () => {
    for (const stage of ['prior', 'decoder'] as const) {
      const narrow = pictureBytes(FOOTPRINT, stage, PICTURE, { ...KERNELS, numberBytes: 2 })
      expect(pictureBytes(FOOTPRINT, stage, PICTURE, KERNELS)).toBe(2 * narrow)
    }
  })

  it('grows with the picture and with guidance', () => {
    for (const stage of ['decoder', 'vqgan'] as const) {
      const ratio =
        pictureBytes(FOOTPRINT, stage, LARGE, GRAPH) / pictureBytes(FOOTPRINT, stage, PICTURE, GRAPH)
      expect(ratio).toBeGreaterThan(3.5)
      expect(ratio).toBeLessThan(4.01)
    }
    expect(pictureBytes(FOOTPRINT, 'decoder', GUIDED, GRAPH)).toBe(
      2 * pictureBytes(FOOTPRINT, 'decoder', PICTURE, GRAPH),
    )
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
    expect(kept).toBeCloseTo(keptBytes(FOOTPRINT, 'decoder', PICTURE, GRAPH) / room)
    expect(kept + steps.decoder).toBeCloseTo(pictureBytes(FOOTPRINT, 'decoder', PICTURE, GRAPH) / room)
    expect(start('model', 1e9).shares(PICTURE, stages).steps.decoder).toBe(1) // no room at all: alone
  })

  it('counts weights as private from when a LoRA changes them', () => {
    const [plain, changed] = [0, 5e8].map((bytes) => startChanged('none', bytes).report(PICTURE))
    expect(plain).toMatchObject({ private: 0, held: 2.04e9 })
    expect(changed).toMatchObject({ private: 5e8, held: 2.04e9, stages: { prior: { private: 5e8 } } })
    expect(sumOf([changed, changed] as never).private).toBe(1e9)
  })

  it('keeps private weights while other networks run, and counts them once', () => {
    const [plain, changed] = [0, 5e8].map((bytes) => startChanged('model', bytes).predict(PICTURE))
    expect(changed?.vqgan).toBe((plain?.vqgan ?? 0) + 5e8)
    expect(changed?.prior).toBe(plain?.prior)
    expect(startChanged('model', 5e8).report(PICTURE).held).toBe(5e8)
  })

  it('reports by stage, and sums up devices', () => {
    const report = start('none').report(PICTURE)
    expect(report.held).toBe(5.54e9)
    expect(report.stages.prior).toMatchObject({ weights: 3e9, held: 3e9, peak: 0 })
    expect(report.predicted).toBe(Math.max(...Object.values(start('none').predict(PICTURE))))
    expect(sumOf([report, report])).toMatchObject({ held: 2 * report.held, predicted: 2 * report.predicted })
  })
})
