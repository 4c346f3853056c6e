/** Blocks on kernels of our own against the graphs that they replace, through the real addon. */
import { join } from 'node:path'
import { openDevice } from '../../lib/loading/load'
import { planLoad } from '../../lib/loading/plan'
import { openModel } from '../../lib/model/layout'
import type { WeightBinding } from '../../lib/native/types'
import {
  answer,
  BLOCKS,
  BYTES,
  because,
  bundled,
  describeKernels,
  distance,
  INT8,
  kind,
  kinds,
  largestDifference,
  MAPPED,
  NARROW,
  NOT_FURTHER,
  noise,
  PACKED,
  ROUNDED,
  readText,
  runtime,
  STAGES,
  small,
  TEXT_ENCODERS,
  TOLERANCE,
  without,
} from '../support/kernels'
import { roundLinears } from '../support/rounded-weights'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

describeKernels(`kernels${because}`, () => {
  const models = [
    ['bundled', () => bundled],
    ['small', small],
  ] as const
  describe.each(models)('the %s model', (_, caseOf) => {
    it.each(STAGES)('%s: as the graph, packed and mapped, on every kind of CPU', async (stage) => {
      const model = caseOf()
      const wanted = await answer(model, stage, null)
      for (const kernels of kinds.flatMap((kind) => [
        { ...PACKED, kind },
        { ...MAPPED, kind },
      ])) {
        const ours = await answer(model, stage, kernels)
        expect(largestDifference(ours, wanted)).toBeLessThan(TOLERANCE[stage])
      }
    })

    it.each(STAGES)('%s: in bfloat16 as near to float32 as the graph', async (stage) => {
      const model = caseOf()
      const wanted = await answer(model, stage, null)
      const plain = distance(await answer(model, stage, null, NARROW), wanted)
      expect(plain).toBeGreaterThan(1e-3)
      for (const kind of kinds) {
        const packed = await answer(model, stage, { ...PACKED, kind }, NARROW)
        expect(distance(packed, wanted)).toBeLessThan(NOT_FURTHER * plain)
        expect(await answer(model, stage, { ...MAPPED, kind }, NARROW)).toEqual(packed)
      }
    })
  })

  it.each(TEXT_ENCODERS)('%s: as the graph, whatever the threads', async (encoder) => {
    const wanted = await readText(bundled, encoder, null)
    for (const kind of kinds) {
      const ours = await readText(bundled, encoder, { ...MAPPED, kind })
      expect(largestDifference(ours, wanted)).toBeLessThan(1e-5)
      expect(await readText(bundled, encoder, { ...MAPPED, kind }, { threads: 1 })).toEqual(ours)
      expect(ours).not.toEqual(wanted) // so the layers are ours
      const held = await readText(bundled, encoder, { ...MAPPED, kind }, { stored: 'bfloat16' })
      const graph = await readText(bundled, encoder, null, { stored: 'bfloat16' })
      expect(largestDifference(held, graph)).toBeLessThan(1e-5)
    }
    const without = await readText(bundled, encoder, { ...MAPPED, without: ['Layer', 'Linear'] })
    expect(without).toEqual(wanted)
    expect(await readText(bundled, encoder, MAPPED, { ids: [1, 9, 400, 7, 2] })).not.toEqual(wanted)
  })

  it.each(TEXT_ENCODERS)('%s: in bfloat16 as near to float32 as the graph', async (encoder) => {
    const wanted = await readText(bundled, encoder, null)
    const plain = distance(await readText(bundled, encoder, null, NARROW), wanted)
    for (const kind of kinds) {
      const ours = await readText(bundled, encoder, { ...MAPPED, kind }, NARROW)
      expect(distance(ours, wanted)).toBeLessThan(NOT_FURTHER * plain)
    }
  })

  const several = kinds.length > 1 ? it : it.skip
  const alone = kinds.length > 1 ? '' : ' (SKIPPED: this CPU is of one kind alone)'
  several.each(STAGES)(
    `%s: bfloat16 is the same multiplied at once or in two steps, but for rounding${alone}`,
    async (stage) => {
      const [first, ...others] = await Promise.all(
        kinds.map((kind) => answer(bundled, stage, { ...PACKED, kind }, NARROW)),
      )
      const plain = distance(await answer(bundled, stage, null, NARROW), await answer(bundled, stage, null))
      expect(others.length).toBeGreaterThan(0)
      for (const other of others) expect(distance(other, first as Float32Array)).toBeLessThan(plain)
    },
  )

  it.each(BLOCKS)('%s: in bfloat16 as near to float32 as the graph, without %s', async (stage, name) => {
    const ratios: number[] = []
    // One picture may be some percent further by chance, the mean of a few is not.
    for (const size of [{}, { height: 5, width: 7 }, { height: 8, width: 8 }]) {
      const wanted = await answer(bundled, stage, null, size)
      const plain = await answer(bundled, stage, null, { ...NARROW, ...size })
      const mixed = await answer(bundled, stage, without(name), { ...NARROW, ...size })
      ratios.push(distance(mixed, wanted) / distance(plain, wanted))
    }
    expect(ratios.reduce((sum, ratio) => sum + ratio) / ratios.length).toBeLessThan(NOT_FURTHER)
  })

  it.each(STAGES)('%s: the same to the last bit alone as in a batch', async (stage) => {
    const ways = [
      [PACKED, {}],
      [MAPPED, {}],
      [PACKED, NARROW],
      [INT8, {}],
      [BYTES, {}],
    ] as const
    for (const [kernels, dtypes] of ways) {
      const together = await answer(bundled, stage, kernels, dtypes)
      const alone = await answer(bundled, stage, kernels, { ...dtypes, rows: 1 })
      expect(together.subarray(0, alone.length)).toEqual(alone)
    }
  })

  // Two guided pictures are four of 96 rows, three of which are a chunk of a product.
  it('prior: small pictures share weights that lie in files', async () => {
    for (const dtypes of [{}, NARROW]) {
      const size = { ...dtypes, height: 8, width: 12, guided: [0, 1] }
      const mapped = await answer(bundled, 'prior', MAPPED, size)
      expect(mapped).toEqual(await answer(bundled, 'prior', PACKED, size))
      const { length } = mapped
      const plain = await answer(bundled, 'prior', MAPPED, { ...size, guided: [1] })
      expect(mapped.subarray(length / 2)).toEqual(plain.subarray(length / 2))
    }
  })

  it.each(BLOCKS)('%s: as the graph, without %s', async (stage, name) => {
    const [mixed, wanted] = [await answer(bundled, stage, without(name)), await answer(bundled, stage, null)]
    expect(largestDifference(mixed, wanted)).toBeLessThan(TOLERANCE[stage])
    // So the name names something; what is not listed may be the same to the last bit.
    if (['ResBlock', 'AttentionBlock', 'MixingBlock', 'collapse', 'Linear', 'Resample'].includes(name))
      expect(mixed).not.toEqual(await answer(bundled, stage, PACKED))
  })

  // The bundled Stage A is narrower than panels, and libtorch cuts its convolutions by threads.
  it.each(STAGES)('%s: the same on one thread as on three', async (stage) => {
    for (const size of [{}, { height: 24, width: 17 }]) {
      const one = await answer(bundled, stage, PACKED, { ...size, threads: 1 })
      const three = await answer(bundled, stage, PACKED, { ...size, threads: 3 })
      expect(largestDifference(three, one)).toBeLessThan(
        stage === 'vqgan' ? TOLERANCE[stage] : Number.MIN_VALUE,
      )
    }
  })

  // A strip has at least 1024 cells, and 32 for each thread: here some strips, the last a short one, or a single one.
  it.each([
    ['float32', PACKED, {}],
    ['bfloat16', PACKED, NARROW],
    ['int8', INT8, {}],
  ] as const)('vqgan: the same to the last bit in strips as whole, in %s', async (_, kernels, dtypes) => {
    const model = small()
    for (const [height, width] of [
      [150, 36],
      [9, 700],
    ] as const) {
      const options = { ...dtypes, rows: 1, height, width }
      const strips = await answer(model, 'vqgan', kernels, options)
      const whole = await answer(model, 'vqgan', kernels, { ...options, threads: 200 })
      expect(whole).toEqual(strips)
      expect(await answer(model, 'vqgan', kernels, { ...options, threads: 1 })).toEqual(strips)
      // So they are what they are said to be.
      expect(strips).not.toEqual(await answer(model, 'vqgan', { ...kernels, without: ['strips'] }, options))
      const graph = await answer(model, 'vqgan', null, options)
      expect(distance(strips, graph)).toBeLessThan(kernels === INT8 ? 0.012 : 'dtype' in dtypes ? 0.01 : 1e-5)
    }
  })

  it('vqgan: paints the pixels that it decodes', async () => {
    const { model, graphs } = small()
    const plan = await planLoad(await openModel(model), [graphs])
    const { device } = openDevice(runtime, 'cpu', 2)
    try {
      const { graph, weights } = plan.vqgan
      const [strips, whole] = await Promise.all(
        [PACKED, null].map((kernels) =>
          device.load({ graph: graph.path, weights, stored: 'float32', dtype: 'float32', kernels }),
        ),
      )
      const latents = await device.write(noise([1, 4, 40, 30], 3))
      const [ours, theirs] = [
        await device.decode(strips as never, latents),
        await device.decode(whole as never, latents),
      ]
      expect([ours.width, ours.height]).toEqual([theirs.width, theirs.height])
      expect(new Set(ours.data).size).toBeGreaterThan(50)
      const apart = ours.data.map((level, index) => Math.abs(level - (theirs.data[index] as number)))
      expect(Math.max(...apart)).toBeLessThanOrEqual(1)
      expect(apart.filter((levels) => levels > 0).length).toBeLessThan(0.001 * apart.length)
    } finally {
      await device.close()
    }
  })

  it.each([[[0, 1]], [[1]], [[0]]])(
    'prior: rows %j guided, with copies left out and without',
    async (guided) => {
      const wanted = await answer(bundled, 'prior', null, { guided })
      expect(largestDifference(await answer(bundled, 'prior', PACKED, { guided }), wanted)).toBeLessThan(2e-4)
      const whole = await answer(bundled, 'prior', without('copies'), { guided })
      expect(largestDifference(whole, wanted)).toBeLessThan(2e-4)
      expect(largestDifference(wanted, await answer(bundled, 'prior', null))).toBeGreaterThan(0.01)
    },
  )

  it('decoder: guided rows read their own embeddings', async () => {
    const wanted = await answer(bundled, 'decoder', null, { guided: [1] })
    expect(largestDifference(await answer(bundled, 'decoder', PACKED, { guided: [1] }), wanted)).toBeLessThan(
      1e-4,
    )
  })

  it.each(['bfloat16', 'float16'] as const)('reads weights held in %s where they lie', async (stored) => {
    const options = { stored }
    const wanted = await answer(bundled, 'prior', null, options)
    expect(largestDifference(await answer(bundled, 'prior', MAPPED, options), wanted)).toBeLessThan(2e-4)
    expect(largestDifference(await answer(bundled, 'prior', PACKED, options), wanted)).toBeLessThan(2e-4)
  })

  it.each(STAGES)('%s: nearly as the graph, in 8 bits', async (stage) => {
    const wanted = await answer(bundled, stage, PACKED)
    for (const pack of ROUNDED) {
      const answers: Record<string, Float32Array> = {}
      for (const kind of kinds) {
        const narrow = await answer(bundled, stage, { kind, pack, without: [] })
        expect(largestDifference(narrow, wanted)).toBeLessThan(0.03)
        expect(distance(narrow, wanted)).toBeLessThan(0.012)
        expect(narrow).not.toEqual(wanted)
        answers[kind] = narrow
      }
      // Sums of a pass are exact, whether fours of bytes are multiplied at once or one after the other.
      if ('avx512_vnni' in answers) expect(answers.avx512_vnni).toEqual(answers.avx512)
    }
  })

  it.each(ROUNDED)('NaN stays NaN with %s', async (pack) => {
    for (const stage of STAGES) {
      const clean = await answer(bundled, stage, { kind, pack, without: [] })
      expect(clean.some(Number.isNaN)).toBe(false)
      const poisoned = await answer(bundled, stage, { kind, pack, without: [] }, { poisoned: true })
      expect(poisoned.some(Number.isNaN)).toBe(true)
    }
  })

  it('prior: in 8 bits as in float32 with weights that were rounded before', async () => {
    const rounded = {
      change: (weights: readonly WeightBinding[]) => roundLinears(weights, join(folderOf({}), 'rounded')),
    }
    const wanted = await answer(bundled, 'prior', PACKED, rounded)
    expect(largestDifference(await answer(bundled, 'prior', INT8), wanted)).toBeLessThan(1e-3)
    expect(largestDifference(await answer(bundled, 'prior', PACKED), wanted)).toBeGreaterThan(3e-3)
  })

  it.each([
    [1, 6, 6],
    [2, 1, 1],
    [2, 5, 31],
    [1, 24, 17],
  ])('takes %d rows of %d x %d', async (rows, height, width) => {
    for (const stage of ['prior', 'decoder', 'vqgan'] as const) {
      const options = { rows, height, width }
      const wanted = await answer(bundled, stage, null, options)
      const ours = await answer(bundled, stage, PACKED, options)
      expect(largestDifference(ours, wanted)).toBeLessThan(TOLERANCE[stage])
      const plain = distance(await answer(bundled, stage, null, { ...options, ...NARROW }), wanted)
      const narrow = await answer(bundled, stage, PACKED, { ...options, ...NARROW })
      // Of a single pixel there are so few numbers that chance has the last word.
      expect(distance(narrow, wanted)).toBeLessThan((height * width > 16 ? 1.2 : 4) * plain)
    }
  })
})
