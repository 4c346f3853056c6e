/**
 * Devices that keep to CPUs. Linux: it reads /proc. A machine with one node stands for one with two: each has one of its CPUs, in a
 * process of its own.
 */
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { loadRuntime } from '../../lib/native/binding'
import { allowedCpus } from '../../lib/native/cores'
import { QUICK, smallModel } from '../support/models'
import { ensureDist, resultOf } from '../support/node-process'

const cpus = allowedCpus() ?? []
const missing = process.platform !== 'linux' ? 'it is for Linux' : cpus.length < 2 ? 'one CPU' : null
const describeNodes = missing === null ? describe : describe.skip

interface Found {
  readonly devices: readonly string[]
  /** How many threads of the process keep to which CPUs. */
  readonly threads: Readonly<Record<string, number>>
  /** What JavaScript's keeps to. */
  readonly main: string
  readonly pictures: readonly string[]
}

/** Two pictures, each of a device of its own where there are two, and then their threads. */
function run(device: readonly string[], options: object, environment = {}): Found {
  const { folder, graphs } = smallModel()
  const nodes = cpus.slice(0, 2).map((cpu, node) => ({ node, cpus: [cpu], cores: 1 }))
  const body = `
    const { readFileSync, readdirSync } = require('node:fs')
    const { createHash } = require('node:crypto')
    require(${JSON.stringify(join(ROOT, 'dist/native/numa.js'))}).numaNodes = () => ${JSON.stringify(nodes)}
    const of = (thread) => /Cpus_allowed_list:\\s*(\\S+)/.exec(readFileSync('/proc/self/task/' + thread + '/status', 'utf8'))[1]
    const options = ${JSON.stringify({ graphs, device, threads: 2, ...options })}
    const pipeline = await wuerstchen.WuerstchenPipeline.fromPretrained(${JSON.stringify(folder)}, options)
    const { images } = await pipeline.generate(['a cat', 'a dog'], ${JSON.stringify(QUICK)})
    const threads = {}
    for (const thread of readdirSync('/proc/self/task')) threads[of(thread)] = (threads[of(thread)] ?? 0) + 1
    const pictures = images.map(({ data }) => createHash('sha256').update(data).digest('hex'))
    console.log(JSON.stringify({ devices: pipeline.info.devices, threads, main: of(process.pid), pictures }))
    await pipeline.dispose()`
  return resultOf(body, environment) as Found
}

describeNodes(`Devices of nodes${missing === null ? '' : ` (SKIPPED: ${missing})`}`, () => {
  const [first, second] = cpus.map(String)

  beforeAll(() => {
    ensureDist()
  })

  it.each(['packed', 'mapped', 'off'] as const)(
    "keep all their threads to their node's CPUs and make the same pictures, with kernels %s",
    (kernels) => {
      const plain = run(['cpu', 'cpu'], { kernels })
      expect(plain.threads).not.toHaveProperty([first as string])
      const bound = run(['cpu:0', 'cpu:1'], { kernels })
      expect(bound.devices).toEqual(['cpu:0', 'cpu:1'])
      // Not one more: what libtorch shares among all devices is on none.
      expect(bound.threads).toMatchObject({ [first as string]: 2, [second as string]: 2 })
      expect(bound.main).toBe(plain.main)
      expect(bound.pictures).toEqual(plain.pictures)
    },
    120_000,
  )

  it.each([{ OMP_PROC_BIND: 'true' }, { OMP_PLACES: 'threads' }, { GOMP_CPU_AFFINITY: cpus.join(' ') }])(
    'refuse an OpenMP that chooses the CPUs itself: %j',
    (environment) => {
      expect(() => run(['cpu:0', 'cpu:1'], {}, environment)).toThrow(
        /DeviceError: Expected OpenMP to leave its threads to the device's CPUs but it chooses others\. Unset OMP_PROC_BIND/,
      )
    },
  )

  it('leave alone what OpenMP does for other devices', () => {
    expect(run(['cpu', 'cpu'], {}, { OMP_PROC_BIND: 'true' }).pictures).toHaveLength(2)
  })
})

describe('NativeDevice with CPUs', () => {
  const open = (wanted: unknown) => () =>
    loadRuntime({}).addon.openDevice({ device: 'cpu', threads: 1, cpus: wanted as number[] })

  it.each([
    [[], /^Expected cpus to have CPUs$/],
    [[0, 1.5], /^Expected cpus to be an integer from 0 to 65535 but received 1.5$/],
    [[-1], /cpus/],
    ['0', /^Expected cpus to be an array but received '0'$/],
    [null, /^Expected cpus to be an array but received null$/],
    [
      [65535],
      process.platform === 'linux' ? /cannot be kept to these CPUs: Invalid argument$/ : /on Linux only$/,
    ],
  ])('refuses %j', (wanted, message) => {
    expect(open(wanted)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    )
  })
})
