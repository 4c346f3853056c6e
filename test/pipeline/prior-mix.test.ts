/** A prior between two, on the small model, against the same numbers computed here. */

import { join } from 'node:path'
import { type PipelineOptions, WuerstchenPipeline } from '../../lib'
import {
  closeSmall,
  drawn,
  largest,
  modelWith,
  openSmall,
  pictureOf,
  pipeline,
  small,
  weights,
} from '../support/lora-models'

beforeAll(openSmall)
afterAll(closeSmall)

describe('a prior between two', () => {
  it('is what interpolated weights make', async () => {
    const other = Object.fromEntries(
      [...weights.prior].map(([name, tensor]) => [
        name,
        { ...tensor, data: tensor.data.map((value, at) => value * (1 + 0.1 * (at % 3))) },
      ]),
    )
    const second = modelWith({ prior: other })
    const between = Object.fromEntries(
      [...weights.prior].map(([name, tensor]) => [
        name,
        {
          ...tensor,
          data: tensor.data.map((value, at) => value + 0.3 * ((other[name]?.data[at] as number) - value)),
        },
      ]),
    )
    const expected = await pictureOf(modelWith({ prior: between }).folder)
    const from = [small.prior, second.prior] as const
    const mixed = await pictureOf(small.folder, { prior: { from, weight: 0.3 } })
    expect(largest(mixed, expected)).toBeLessThanOrEqual(1)
    expect(await pictureOf(small.folder, { prior: { from, weight: 0 } })).toEqual(await drawn(pipeline))
    expect(await pictureOf(small.folder, { prior: { from, weight: 1 } })).toEqual(
      await pictureOf(second.folder),
    )
    // A bare network as the second one.
    const bare = join(second.prior, 'prior')
    expect(await pictureOf(small.folder, { prior: { from: [small.prior, bare], weight: 0.3 } })).toEqual(
      mixed,
    )
  })

  it.each<[PipelineOptions['prior'], RegExp]>([
    [{ from: ['a', 'b'], weight: 2 }, /prior\.weight/],
    [{ from: ['a'] as never }, /prior\.from to be two folders or ids/],
    [{ from: ['a', ''] }, /prior\.from\[1\]/],
    [{ form: ['a', 'b'] } as never, /Unknown option 'form'/],
  ])('is refused as %j', async (prior, message) => {
    await expect(
      WuerstchenPipeline.fromPretrained(small.folder, { ...small.options, prior }),
    ).rejects.toThrow(message)
  })
})
