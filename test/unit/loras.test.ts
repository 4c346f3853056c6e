/** Changes of weights where networks fail one by one. */
import type { Executor } from '../../lib/engine/fleet'
import { type LoadedLora, Loras } from '../../lib/loading/loras'
import type { ChangeTarget } from '../../lib/model/lora'
import type { RebindOptions, WeightBinding } from '../../lib/native/types'
import { settled } from '../../lib/pipeline/settled-executor'

const stored = { file: 'x', dtype: 'F32', shape: [1, 1], offset: 0, bytes: 4 } as const
const tensor = { ...stored, key: 'x' } as const
const baseOf = (name: string): WeightBinding => ({ ...stored, name })

/** A network with one weight: what it is multiplied with now, and the failures that its next changes meet. */
class Network {
  scales: readonly number[] = []
  refuses = false
  failures: (Error | null)[] = []

  async rebind([weight]: readonly WeightBinding[], how?: RebindOptions): Promise<void> {
    const failure = this.failures.shift() ?? null
    if (failure !== null) {
      this.refuses ||= how?.orRefuse === true
      throw failure
    }
    this.refuses = false
    this.scales = weight?.deltas?.map(({ scale }) => scale) ?? []
  }
}

const shortage = () => Object.assign(new Error('no memory'), { code: 'OUT_OF_MEMORY' })

function setUp() {
  const networkNames = ['prior', 'priorTextEncoder', 'decoder', 'decoderTextEncoder'] as const
  const networks = Object.fromEntries(networkNames.map((name) => [name, new Network()])) as Record<
    ChangeTarget,
    Network
  >
  const bases = { prior: [baseOf('a')], priorTextEncoder: [baseOf('b')], decoder: [] }
  const model = networks as unknown as ConstructorParameters<typeof Loras>[0][number]
  return { networks, loras: new Loras([model], bases) }
}

const changeOf = (target: ChangeTarget, parameter: string) =>
  ({ target, parameter, up: tensor, down: tensor, scale: 1 }) as LoadedLora['changes'][number]
const style: LoadedLora = {
  name: 'style',
  file: 'x',
  scale: 1,
  changes: [changeOf('prior', 'a'), changeOf('priorTextEncoder', 'b')],
}

describe('A change of LoRAs that memory runs out for', () => {
  it('is undone in the networks that had it', async () => {
    const { networks, loras } = setUp()
    await loras.add(style)
    networks.priorTextEncoder.failures = [shortage()]
    const change = loras.rescale(new Map([['style', 0.5]]))
    await expect(change).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_OUT_OF_MEMORY' })
    expect([networks.prior.scales, networks.priorTextEncoder.scales]).toEqual([[1], [1]])
    expect(loras.isSettled).toBe(true)
    expect(loras.list).toMatchObject([{ name: 'style', scale: 1 }])
  })

  it('that cannot be undone either rejects with an error of ours, and leaves no network with half of it', async () => {
    const { networks, loras } = setUp()
    await loras.add(style)
    networks.prior.failures = [null, shortage()]
    networks.priorTextEncoder.failures = [shortage(), shortage()]
    const change = loras.rescale(new Map([['style', 0.5]]))
    await expect(change).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_OUT_OF_MEMORY' })
    expect(networks.prior.refuses).toBe(true)
    expect(loras.isSettled).toBe(false)

    networks.prior.failures = [shortage()] // still none
    await expect(loras.settle()).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_OUT_OF_MEMORY' })
    await loras.settle()
    expect([networks.prior.scales, networks.priorTextEncoder.scales]).toEqual([[1], [1]])
    expect(networks.prior.refuses || networks.priorTextEncoder.refuses).toBe(false)
    expect(loras.isSettled).toBe(true)
  })

  it('is forgotten when a later change works', async () => {
    const { networks, loras } = setUp()
    networks.prior.failures = [null, shortage()]
    networks.priorTextEncoder.failures = [shortage(), shortage()]
    await expect(loras.add(style)).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_OUT_OF_MEMORY' })
    await loras.add({ ...style, name: 'other', changes: style.changes.slice(1) })
    expect([networks.prior.scales, networks.priorTextEncoder.scales]).toEqual([[], [1]])
    expect(networks.prior.refuses || !loras.isSettled).toBe(false)
  })
})

describe('settled()', () => {
  it('gives weights their values before requests run, and only then', async () => {
    const order: string[] = []
    const executor = {
      submit: async () => order.push('submit'),
      embed: async () => order.push('embed'),
      exclusive: (work: () => Promise<void>) => work(),
    } as unknown as Executor
    const loras = {
      isSettled: false,
      settle: async () => {
        order.push('settle')
        loras.isSettled = true
      },
    }
    const whole = settled(executor, loras)
    await whole.submit(null as never)
    await whole.embed(null as never)
    expect(order).toEqual(['settle', 'submit', 'embed'])
  })
})
