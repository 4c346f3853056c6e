import { Engine } from '../../lib/engine/engine'
import { Maps } from '../../lib/memory/maps'
import { Memory } from '../../lib/memory/memory'
import { pictureOf } from '../../lib/memory/picture'
import { type Offload, Residency } from '../../lib/memory/residency'
import { FakeDevice, FakeGraph } from '../support/fake-device'
import { fakeModel, fakeRequest } from '../support/fake-model'

const LEVEL = { channels: 1, scale: 1 }
const FOOTPRINT = {
  prior: { channels: 1, attentions: 1 },
  decoder: { levels: [LEVEL], imageChannels: 0, mapChannels: 0, maps: [true], attentionChannels: 0 },
  vqgan: { levels: [LEVEL], blocks: 0 },
}
const COMPUTING = { numberBytes: 4, kernels: false, threads: 2 }
const MAPS = new Maps(FOOTPRINT, { prior: COMPUTING, decoder: COMPUTING, vqgan: COMPUTING })
const PICTURE = pictureOf(fakeRequest())

/** A prior and a vqgan, and what is held of them. */
function startHeld(offload: Offload) {
  const residency = new Residency(new FakeDevice(), offload)
  const [prior, vqgan] = [
    new FakeGraph('prior', { weights: 2e9, copied: 0 }),
    new FakeGraph('vqgan', { weights: 4e8, copied: 0 }),
  ]
  const of = (graph: FakeGraph) => ({ graph, widest: 0, packed: 0, prepared: 0, parameters: 0 })
  const memory = new Memory(residency, { prior: [of(prior)], decoder: [], vqgan: [of(vqgan)] }, MAPS, null)
  return { memory, residency, prior, vqgan }
}

describe('The peak of Memory#report()', () => {
  it('is the most that was held, never less than what is held', () => {
    const { memory, prior } = startHeld('none')
    expect(memory.report(PICTURE)).toMatchObject({ held: 2.4e9, peak: 2.4e9 })
    prior.memory = { weights: 2.5e9, copied: 1e9 } // a LoRA
    expect(memory.report(PICTURE)).toMatchObject({
      held: 2.9e9,
      peak: 2.9e9,
      stages: { prior: { peak: 2.5e9 } },
    })
    prior.memory = { weights: 2e9, copied: 0 }
    expect(memory.report(PICTURE)).toMatchObject({ held: 2.4e9, peak: 2.9e9 })
  })

  it('remembers what was held between two reports', () => {
    const { memory, prior } = startHeld('none')
    prior.memory = { weights: 2.5e9, copied: 1e9 }
    memory.observe()
    prior.memory = { weights: 2e9, copied: 0 }
    expect(memory.report(PICTURE)).toMatchObject({ held: 2.4e9, peak: 2.9e9 })
  })

  it("adds a call's tensors to what was held meanwhile, and counts once what its kernels kept", () => {
    const { memory, prior, vqgan } = startHeld('none')
    prior.taken = { peak: 3e9, kernels: 2e9 } // weights that were packed, and tensors
    memory.observe('prior')
    const first = memory.report(PICTURE)
    expect(first).toMatchObject({ held: 4.4e9, peak: 5.4e9, stages: { prior: { peak: 5.4e9 } } })
    vqgan.taken = { peak: 5e8, kernels: 0 }
    memory.observe('vqgan')
    expect(memory.report(PICTURE)).toMatchObject({ peak: 5.4e9, stages: { vqgan: { peak: 4.9e9 } } })
    prior.memory = { weights: 2.5e9, copied: 1e9 } // the same call, with a LoRA
    expect(memory.report(PICTURE).peak).toBe(5.4e9)
    memory.observe('prior')
    expect(memory.report(PICTURE).peak).toBe(5.9e9)
  })

  it('counts one network and all private memory where weights are offloaded', () => {
    const { memory, residency, prior, vqgan } = startHeld('model')
    prior.memory = { weights: 2e9, copied: 5e8 }
    expect(memory.report(PICTURE)).toMatchObject({ held: 5e8, peak: 5e8 })
    residency.enter(vqgan)
    vqgan.taken = { peak: 1e8, kernels: 0 }
    memory.observe('vqgan')
    expect(memory.report(PICTURE)).toMatchObject({ held: 9e8, peak: 1e9, stages: { prior: { peak: 5e8 } } })
  })

  it('is looked at with every turn of an engine, and with every change of its weights', async () => {
    const { memory, prior, vqgan } = startHeld('none')
    const engine = new Engine({ ...fakeModel(), memory }, { maxRows: 8, maxQueue: 8 })
    await engine.exclusive(async () => {
      prior.memory = { weights: 2.5e9, copied: 1e9 }
    })
    prior.memory = { weights: 2e9, copied: 0 }
    expect(memory.report(PICTURE).peak).toBe(2.9e9)
    const onProgress = ({ stage }: { stage: string }) => {
      vqgan.memory = { weights: stage === 'decoder' ? 1e9 : 4e8, copied: 0 } // held more for some turns
    }
    await engine.submit(fakeRequest(), { onProgress })
    expect(memory.report(PICTURE)).toMatchObject({ held: 2.4e9, peak: 3e9 })
    await engine.dispose({ drain: true })
  })
})
