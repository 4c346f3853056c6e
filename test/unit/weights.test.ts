import { join } from 'node:path'
import type { WuerstchenError } from '../../lib/errors'
import { findGraph, type GraphEntry, readGraphs } from '../../lib/model/graphs'
import type { SafetensorsHeader, SafetensorsTensor } from '../../lib/model/safetensors'
import { bindWeights } from '../../lib/model/weights'
import { volume } from '../../lib/tensors/shape'

const entryOf = (shapes: Readonly<Record<string, readonly number[]>>, ignored: readonly string[] = []) =>
  ({
    class: 'PaellaVQModel',
    parameters: Object.entries(shapes).map(([name, shape]) => ({ name, shape })),
    ignored,
  }) as unknown as GraphEntry

const tensor = (shape: readonly number[], dtype = 'F32', offset = 64): SafetensorsTensor =>
  ({ dtype, shape, offset, bytes: 4 * volume(shape) }) as SafetensorsTensor

const headerOf = (
  tensors: Readonly<Record<string, SafetensorsTensor>>,
  file = '/m.safetensors',
): SafetensorsHeader => ({
  file,
  metadata: {},
  tensors: new Map(Object.entries(tensors)),
})

const refusal = (entry: GraphEntry, ...headers: SafetensorsHeader[]): WuerstchenError => {
  try {
    bindWeights(entry, headers)
  } catch (error) {
    return error as WuerstchenError
  }
  throw new Error('The weights were accepted')
}

describe('bindWeights()', () => {
  it("binds each parameter, in the graph's order, to its place in a file", () => {
    const entry = entryOf({ b: [2], a: [3, 1] })
    const first = headerOf({ a: tensor([3, 1], 'BF16', 8) }, '/1.safetensors')
    const second = headerOf({ b: tensor([2], 'F64', 16) }, '/2.safetensors')
    expect(bindWeights(entry, [first, second])).toEqual([
      { name: 'b', file: '/2.safetensors', dtype: 'F64', shape: [2], offset: 16, bytes: 8 },
      { name: 'a', file: '/1.safetensors', dtype: 'BF16', shape: [3, 1], offset: 8, bytes: 12 },
    ])
  })

  it('finds names of a text encoder with and without their prefix, on either side', () => {
    const withPrefix = 'text_model.final_layer_norm.bias'
    const without = 'final_layer_norm.bias'
    for (const inGraph of [withPrefix, without]) {
      for (const inFile of [withPrefix, without]) {
        const [binding] = bindWeights(entryOf({ [inGraph]: [4] }), [headerOf({ [inFile]: tensor([4]) })])
        expect(binding?.name).toBe(inGraph)
      }
    }
  })

  it('lets files hold what the manifest says to ignore, with and without the prefix', () => {
    const entry = entryOf({ a: [1] }, ['text_model.position_ids'])
    for (const name of ['text_model.position_ids', 'position_ids']) {
      expect(bindWeights(entry, [headerOf({ a: tensor([1]), [name]: tensor([1, 77], 'I64') })])).toHaveLength(
        1,
      )
    }
  })

  it('takes integers for counters, which are scalars, and for nothing else', () => {
    const [counter] = bindWeights(entryOf({ 'bn.num_batches_tracked': [] }), [
      headerOf({ 'bn.num_batches_tracked': tensor([], 'I64') }),
    ])
    expect(counter?.dtype).toBe('I64')
    expect(refusal(entryOf({ a: [2] }), headerOf({ a: tensor([2], 'I64') })).message).toMatch(
      /1 of another shape or dtype: a \(I64 \[2\] where the network has \[2\]\)/,
    )
  })

  it.each(['F8_E4M3', 'U8', 'BOOL'])('refuses weights of %s', (dtype) => {
    expect(refusal(entryOf({ a: [] }), headerOf({ a: tensor([], dtype) })).code).toBe(
      'ERR_WUERSTCHEN_WEIGHTS_MISMATCH',
    )
  })

  it('lists all that is missing, left over and misshapen, in the message the first ten of each', () => {
    const names = Array.from({ length: 12 }, (_, i) => `m${i}`)
    const entry = entryOf({ ...Object.fromEntries(names.map((name) => [name, [1]])), a: [2, 3], b: [1] })
    const error = refusal(entry, headerOf({ a: tensor([3, 2]), b: tensor([1]), x: tensor([1]) }))
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_WEIGHTS_MISMATCH',
      details: { missing: names, extra: ['x'], misshapen: ['a (F32 [3, 2] where the network has [2, 3])'] },
    })
    expect(error.message).toContain(
      '12 missing: m0, m1, m2, m3, m4, m5, m6, m7, m8, m9 and 2 more; 1 left over: x;',
    )
    expect(error.message).toContain('/m.safetensors')
  })

  it('warns of what is left over, by name, and goes on', () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const left = { scaled_fp8: tensor([0], 'F8_E4M3'), 'text_projection.weight': tensor([2, 2]) }
    expect(bindWeights(entryOf({ a: [1] }), [headerOf({ a: tensor([1]), ...left })])).toHaveLength(1)
    expect(warned).toHaveBeenCalledWith(
      expect.stringMatching(/2 left over: scaled_fp8, text_projection\.weight\. Read from \/m\.safetensors/),
      { type: 'WuerstchenWarning' },
    )
    warned.mockRestore()
  })

  it('refuses a tensor that two shards hold, or one file under two names', () => {
    const a = headerOf({ a: tensor([1]) }, '/1.safetensors')
    expect(refusal(entryOf({ a: [1] }), a, headerOf({ a: tensor([1]) }, '/2.safetensors'))).toMatchObject({
      code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID',
      message: expect.stringMatching(/2\.safetensors.*a is also a in \/1\.safetensors/),
    })
    const both = headerOf({ a: tensor([1]), 'text_model.a': tensor([1]) })
    expect(refusal(entryOf({ a: [1] }), both).code).toBe('ERR_WUERSTCHEN_WEIGHTS_INVALID')
  })

  it('refuses no files at all', () => {
    expect(refusal(entryOf({ a: [1] }))).toMatchObject({
      code: 'ERR_WUERSTCHEN_WEIGHTS_MISMATCH',
      message: expect.stringMatching(/Read from no file/),
    })
  })

  it('binds every parameter of the shipped vqgan', async () => {
    const graphs = await readGraphs([join(__dirname, '../../graphs')])
    const { entry } = await findGraph(graphs, 'PaellaVQModel', {})
    const tensors = entry.parameters.map(({ name, shape }) => [
      name,
      tensor(shape, shape.length === 0 ? 'I64' : 'F32'),
    ])
    expect(bindWeights(entry, [headerOf(Object.fromEntries(tensors))])).toHaveLength(122)
  })
})
