import { largestBlock, type Offload, offloading, Residency } from '../../lib/memory/residency'
import { FakeDevice, FakeGraph } from '../support/fake-device'

const MEMORY = { weights: 100, copied: 10 }

async function start(offload: Offload, visits = false) {
  const device = new FakeDevice()
  const residency = new Residency(device, offload, visits)
  const [prior, decoder] = [new FakeGraph('prior', MEMORY), new FakeGraph('decoder', MEMORY)]
  for (const graph of [prior, decoder]) await residency.admit(graph, 7)
  const calls = () => device.calls.splice(0).map(({ method, graph }) => `${method} ${graph}`)
  return { device, residency, prior, decoder, calls, offloaded: offloading(device, residency) }
}

describe('Residency', () => {
  it('moves nothing without offloading', async () => {
    const { device, residency, offloaded, prior, calls } = await start('none')
    expect(offloaded).toBe(device)
    residency.enter(prior)
    expect(calls()).toEqual([])
    expect(residency.held(prior)).toBe(100)
    expect(residency.heldAtMost(prior)).toBe(90) // the rest is private memory, whoever runs
  })

  it('holds the network at work and lets the one before go', async () => {
    const { residency, offloaded, prior, decoder, calls } = await start('model')
    expect(calls()).toEqual(['release prior', 'release decoder'])
    await offloaded.run(prior, 'condition', [])
    await offloaded.run(prior, 'condition', [])
    await offloaded.run(decoder, 'condition', [])
    expect(calls()).toEqual([
      'prefetch prior',
      'condition prior',
      'condition prior',
      'release prior',
      'prefetch decoder',
      'condition decoder',
    ])
    expect([residency.held(prior), residency.held(decoder)]).toEqual([10, 100])
  })

  it('limits the pages of every network to its largest block where only blocks are held', async () => {
    const { device, residency, offloaded, prior, decoder, calls } = await start('sequential')
    expect(device.named('limitWeights').map(({ graph, inputs }) => [graph, inputs])).toEqual([
      ['prior', [7]],
      ['decoder', [7]],
    ])
    calls()
    await offloaded.advance({ graph: prior, steps: 1, rows: [], rounding: 'float32' })
    await offloaded.run(decoder, 'condition', [])
    expect(calls()).toEqual(['advance prior', 'release prior', 'condition decoder'])
    expect(residency.heldAtMost(prior)).toBe(7)
    expect([residency.held(prior), residency.held(decoder)]).toEqual([10, 17])
  })

  it('counts the block that comes only where it is copied: what is read ahead of a file takes no memory of the process', async () => {
    const [pages, copies] = [await start('sequential', false), await start('sequential', true)]
    expect(pages.residency.heldAtMost(pages.prior)).toBe(7)
    expect(copies.residency.heldAtMost(copies.prior)).toBe(14)
  })

  it('fails no call because weights could not be let go', async () => {
    const { device, offloaded, prior, decoder } = await start('model')
    device.before = ({ method }) => {
      if (method === 'release' || method === 'prefetch') throw new Error('no')
    }
    await offloaded.run(prior, 'condition', [])
    await expect(offloaded.run(decoder, 'condition', [])).resolves.toHaveLength(1)
  })
})

describe('largestBlock()', () => {
  it('sums up what runs at one place', () => {
    const parameters = [
      { name: 'blocks.0.channelwise.0.weight', shape: [4, 4] },
      { name: 'blocks.0.channelwise.2.gamma', shape: [1, 1, 1, 4] },
      { name: 'blocks.10.mapper.weight', shape: [10] },
      { name: 'down_blocks.1.2.attention.weight', shape: [15] },
      { name: 'down_blocks.1.3.attention.weight', shape: [15] },
      { name: 'token_embedding.weight', shape: [190] }, // of which a call reads a few rows
    ]
    expect(largestBlock({ parameters }, 'bfloat16')).toBe(2 * 20)
    expect(largestBlock({ parameters }, 'float32')).toBe(4 * 20)
    expect(largestBlock({ parameters: [] }, 'float32')).toBe(0)
  })
})
