import { Maps } from '../../lib/memory/maps'
import { Memory, sumOf } from '../../lib/memory/memory'
import { packedNumbers } from '../../lib/memory/packing'
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

const all = <Value>(value: Value) => ({ prior: value, decoder: value, vqgan: value })
const FLOAT32 = { numberBytes: 4, kernels: false, threads: 2 }
const GRAPH = new Maps(FOOTPRINT, all(FLOAT32))
const KERNELS = new Maps(FOOTPRINT, all({ ...FLOAT32, kernels: true }))
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
    parameters: 0,
  })
  const networks = {
    prior: [network('priorTextEncoder', 1e9, 6e7), network('prior', 2e9)],
    decoder: [network('decoder', 2.5e9)],
    vqgan: [network('vqgan', 4e7)],
  }
  return new Memory(residency, networks, GRAPH, limit)
}

/** The same with a prior of which a LoRA changes so many bytes. */
function startChanged(offload: Offload, copied: number, parameters = 0): Memory {
  const residency = new Residency(new FakeDevice(), offload)
  const prior = new FakeGraph('prior', { weights: 2e9, copied: 0 })
  const vqgan = new FakeGraph('vqgan', { weights: 4e7, copied: 0 })
  const of = (graph: FakeGraph) => ({ graph, widest: 0, packed: 0, prepared: 0, parameters })
  const networks = { prior: [of(prior)], decoder: [], vqgan: [of(vqgan)] }
  const memory = new Memory(residency, networks, GRAPH, null)
  prior.memory = { weights: 2e9, copied } // later than it was loaded
  return memory
}

describe('Maps', () => {
  /** A picture whose latents are so large. */
  const ofSide = (side: number) => ({
    ...PICTURE,
    sizes: { ...PICTURE.sizes, latentHeight: side, latentWidth: side },
  })

  // What a step's tensors were counted to take, v2's widths in float32 at 1024x1024. With kernels that was 0.16e9: the rest
  // libtorch's convolutions take for themselves, as processes show where maps are too large for the heap.
  it.each([
    ['vqgan', GRAPH, 1.81e9],
    ['decoder', GRAPH, 0.27e9],
    ['decoder', KERNELS, 0.22e9],
  ] as const)('are what the %s was measured to take, within a fifth', (stage, maps, measured) => {
    expect(maps.step(stage, LARGE) / measured).toBeGreaterThan(0.99)
    expect(maps.step(stage, LARGE) / measured).toBeLessThan(1.2)
  })

  const square = (side: number) => {
    const [latents, pixels] = [side / 4, side]
    const sizes = { latentHeight: latents, latentWidth: latents, pixelWidth: pixels, pixelHeight: pixels }
    return { ...PICTURE, sizes: { ...PICTURE.sizes, ...sizes } }
  }

  // What a decode took at most beside packed weights, with v2's widths on two threads (`NativeGraph.peakBytes`).
  it.each([
    [512, 2, 54.7e6],
    [2048, 2, 68.7e6],
    [2048, 4, 124.4e6],
  ] as const)(
    'are what strips of Stage A were measured to take at %d pixels',
    (side, numberBytes, measured) => {
      const maps = new Maps(FOOTPRINT, all({ numberBytes, kernels: true, threads: 2 }))
      expect(maps.step('vqgan', square(side)) / measured).toBeGreaterThan(1)
      expect(maps.step('vqgan', square(side)) / measured).toBeLessThan(1.25)
    },
  )

  it('hardly grow with a picture in Stage A, and stay below half a gigabyte', () => {
    const of = (side: number, threads: number) =>
      new Maps(FOOTPRINT, all({ numberBytes: 4, kernels: true, threads })).step('vqgan', square(side))
    expect(of(4096, 2)).toBeLessThan(0.25e9)
    expect(of(4096, 64)).toBeLessThan(0.5e9)
    expect(of(4096, 2) / of(1024, 2)).toBeLessThan(2)
  })

  it('are half in a type of half the width', () => {
    const narrow = new Maps(FOOTPRINT, all({ numberBytes: 2, kernels: true, threads: 2 }))
    for (const stage of ['prior', 'decoder'] as const) {
      expect(KERNELS.all(stage, PICTURE)).toBe(2 * narrow.all(stage, PICTURE))
    }
  })

  it.each([
    ['prior', PICTURE, 2 * 2 * 32 * 1536], // guided: two texts
    ['decoder', PICTURE, 2 * FOOTPRINT.decoder.attentionChannels],
  ] as const)(
    'count what steps of the %s read of a text twice: its own, and that of its batch',
    (stage, picture, numbers) => {
      const longer = { ...picture, tokens: picture.tokens + 77 }
      expect(KERNELS.kept(stage, longer) - KERNELS.kept(stage, picture)).toBe(2 * 4 * 77 * numbers)
    },
  )

  it('grow with the picture and with guidance', () => {
    for (const stage of ['decoder', 'vqgan'] as const) {
      const ratio = GRAPH.all(stage, LARGE) / GRAPH.all(stage, PICTURE)
      expect(ratio).toBeGreaterThan(3.5)
      expect(ratio).toBeLessThan(4.01)
    }
    expect(GRAPH.all('decoder', GUIDED)).toBe(2 * GRAPH.all('decoder', PICTURE))
  })

  it('stay in the heap while they are small', () => {
    const [small, large] = [256, 1024].map((side) => GRAPH.inHeap(['vqgan'], ofSide(side / 4)))
    expect(small).toBeGreaterThan(0)
    expect(large).toBe(0) // each taken from the system by itself
    expect(GRAPH.inHeap(['prior', 'decoder'], PICTURE)).toBe(
      GRAPH.inHeap(['prior'], PICTURE) + GRAPH.inHeap(['decoder'], PICTURE),
    )
  })

  it("are kept by other stages' kernels, and by no graph", () => {
    expect(GRAPH.ofOthers('vqgan', PICTURE)).toBe(0)
    expect(KERNELS.ofOthers('vqgan', PICTURE)).toBeGreaterThan(KERNELS.ofOthers('decoder', PICTURE))
  })
})

describe('packedNumbers()', () => {
  const image = { imageChannels: 16, mapChannels: 1024 }
  const of = (name: string, ...shape: number[]) => packedNumbers({ parameters: [{ name, shape }] }, image)

  it.each([
    ['blocks.0.channelwise.0.weight', [6144, 1536], 6144 * 1536],
    ['blocks.0.channelwise.4.weight', [1536, 6144], 1536 * 6144],
    ['blocks.2.attention.to_out.0.weight', [1536, 1536], 1536 * 1536],
    ['down_blocks.1.0.channelwise.0.weight', [2560, 640 + 1024], 2560 * (640 + 16)],
    ['up_blocks.0.0.channelwise.0.weight', [5120, 1280 + 1280 + 1024], 5120 * (1280 + 1280 + 16)],
    ['up_blocks.3.0.channelwise.0.weight', [1280, 320 + 320], 1280 * 640],
    ['blocks.0.channelwise.2.gamma', [1, 1, 1, 6144], 0],
    ['blocks.2.kv_mapper.1.weight', [1536, 1536], 0],
    ['down_blocks.1.1.weight', [640, 320, 2, 2], 0],
  ])('of %s %j are %d', (name, shape, numbers) => {
    const folded = name.includes('channelwise.4.weight') ? numbers : 0
    expect(of(name, ...shape)).toEqual({ all: numbers, folded })
  })
})

describe('Memory', () => {
  it('counts all weights without offloading, else those of a network', () => {
    const [all, one] = [start('none').predict(PICTURE), start('model').predict(PICTURE)]
    const others = GRAPH.inHeap(['prior', 'decoder'], PICTURE) // nothing gives back what the allocator kept of theirs
    expect(all.vqgan - one.vqgan).toBeCloseTo(5.5e9 + others, 0)
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
    const room = 3e9 - 2.5e9 - GRAPH.inHeap(['decoder'], PICTURE)
    const { kept, steps } = start('model', 3e9).shares(PICTURE, ['decoder'])
    expect(kept).toBeCloseTo(GRAPH.kept('decoder', PICTURE) / room)
    expect(kept + steps.decoder).toBeCloseTo(GRAPH.all('decoder', PICTURE) / room)
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

  it('counts what libtorch keeps for each of many weights, whoever runs', () => {
    const [none, many] = [0, 1000].map((parameters) => startChanged('model', 0, parameters).predict(PICTURE))
    for (const stage of ['prior', 'decoder', 'vqgan'] as const)
      expect((many?.[stage] ?? 0) - (none?.[stage] ?? 0)).toBe(2 * 6e6) // of two networks
  })

  it('reports by stage, and sums up devices', () => {
    const report = start('none').report(PICTURE)
    expect(report.held).toBe(5.54e9)
    expect(report.stages.prior).toMatchObject({ weights: 3e9, held: 3e9, peak: 3e9 })
    expect(report.predicted).toBe(Math.max(...Object.values(start('none').predict(PICTURE))))
    expect(sumOf([report, report])).toMatchObject({ held: 2 * report.held, predicted: 2 * report.predicted })
  })
})
