/** Nodes in a folder that stands for a machine's root, and the devices that are placed on them. */
import { diagnose } from '../../lib'
import { report } from '../../lib/cli/doctor'
import { type NumaNode, numaNodes } from '../../lib/native/numa'
import { placeDevices } from '../../lib/pipeline/placement'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

const NODES = 'sys/devices/system/node'

/** Two sockets of 4 cores with 2 threads of hardware each, numbered as servers do it, and a node of memory alone. */
const twoSockets = {
  [`${NODES}/node10/cpulist`]: '\n',
  [`${NODES}/node1/cpulist`]: '4-7,12-15\n',
  [`${NODES}/node0/cpulist`]: '0-3,8-11\n',
  [`${NODES}/possible`]: '0-1,10\n',
  ...Object.fromEntries(
    Array.from({ length: 16 }, (_, cpu) => [
      `sys/devices/system/cpu/cpu${cpu}/topology/core_cpus_list`,
      `${cpu % 8},${(cpu % 8) + 8}\n`,
    ]),
  ),
}
const allowed = (list: string) => ({ 'proc/self/status': `Name:\tnode\nCpus_allowed_list:\t${list}\n` })
const nodesOf = (list: string) => numaNodes(folderOf({ ...twoSockets, ...allowed(list) }))

describe('numaNodes()', () => {
  it('are those with CPUs of this process, by number, and siblings are one core', () => {
    expect(nodesOf('0-15')).toEqual([
      { node: 0, cpus: [0, 1, 2, 3, 8, 9, 10, 11], cores: 4 },
      { node: 1, cpus: [4, 5, 6, 7, 12, 13, 14, 15], cores: 4 },
    ])
    expect(nodesOf('2,6-7,14,15')).toEqual([
      { node: 0, cpus: [2], cores: 1 },
      { node: 1, cpus: [6, 7, 14, 15], cores: 2 },
    ])
    expect(nodesOf('5')).toEqual([{ node: 1, cpus: [5], cores: 1 }])
  })

  it('are all that the system tells of where it tells of no affinity, and none where it tells of none', () => {
    expect(numaNodes(folderOf(twoSockets)).map(({ node }) => node)).toEqual([0, 1])
    expect(numaNodes(folderOf(allowed('0-15')))).toEqual([])
  })
})

const node = (number: number, cores: number): NumaNode => ({ node: number, cpus: [number], cores })
const machine = { cores: 64, nodes: [node(0, 32), node(2, 32)] }

/** The threads of each device. */
const threads = (device: unknown, here: Parameters<typeof placeDevices>[2] = machine, wanted?: number) =>
  placeDevices(device, wanted, here).map((placement) => placement.threads)

describe('placeDevices()', () => {
  it("keeps a node's device to the CPUs of its node", () => {
    expect(placeDevices(['cpu:0', 'cpu:2'], undefined, machine)).toEqual([
      { name: 'cpu:0', device: 'cpu', threads: 32, cpus: [0] },
      { name: 'cpu:2', device: 'cpu', threads: 32, cpus: [2] },
    ])
    expect(placeDevices('cpu', undefined, machine)).toEqual([
      { name: 'cpu', device: 'cpu', threads: 64, cpus: undefined },
    ])
    expect(placeDevices('cuda:1', 3, machine)).toEqual([
      { name: 'cuda:1', device: 'cuda:1', threads: 3, cpus: undefined },
    ])
  })

  it.each([
    ['cpu:2', [32]],
    [
      ['cpu', 'cpu'],
      [32, 32],
    ],
    [
      ['cpu:0', 'cpu:0', 'cpu:2'],
      [16, 16, 32],
    ],
    [
      ['cpu:0', 'cuda:0'],
      [32, 32],
    ],
    [Array(64).fill('cpu:0'), Array(64).fill(1)],
  ])('shares a node among those on it, and the machine among the others: %j', (device, expected) => {
    expect(threads(device)).toEqual(expected)
  })

  it('gives each node its own number of threads, or the one that was chosen', () => {
    const uneven = { cores: 12, nodes: [node(0, 8), node(1, 4)] }
    expect(threads(['cpu:0', 'cpu:1'], uneven)).toEqual([8, 4])
    expect(threads(['cpu:0', 'cpu:1'], uneven, 6)).toEqual([6, 6])
  })

  it('keeps to a quota', () => {
    const limited = { ...machine, cores: 16, quota: 16.5 }
    expect(threads('cpu:0', limited)).toEqual([16])
    expect(threads(['cpu:0', 'cpu:2'], limited)).toEqual([8, 8])
    expect(threads(['cpu:0', 'cpu:2'], { ...limited, quota: 0.5 })).toEqual([1, 1])
    expect(threads(['cpu:0', 'cpu:2'], { ...limited, quota: 1000 })).toEqual([32, 32])
  })

  it('refuses a node that is not there, and says which are', () => {
    const refusal = (device: unknown, here: Parameters<typeof placeDevices>[2]) => {
      try {
        placeDevices(device, undefined, here)
      } catch (error) {
        return error
      }
      throw new Error('it was not refused')
    }
    expect(refusal(['cpu:0', 'cpu:1'], machine)).toMatchObject({
      code: 'ERR_WUERSTCHEN_DEVICE_UNAVAILABLE',
      message:
        "Expected device[1] to be a NUMA node of this machine but received 'cpu:1'. This process may use cpu:0, cpu:2.",
      details: { device: 'cpu:1', nodes: ['cpu:0', 'cpu:2'] },
    })
    expect(refusal('cpu:0', { cores: 8 })).toMatchObject({
      code: 'ERR_WUERSTCHEN_DEVICE_UNAVAILABLE',
      message:
        "Expected device to be a NUMA node of this machine but received 'cpu:0'. This system tells of none: use 'cpu'.",
    })
  })

  it.each(['cpu:', 'cpu:x', 'cpu:-1', 'cpu:00', 'cpu:0 ', 'cpu:99999', 'mps:0'])('refuses %j', (device) => {
    expect(() => placeDevices(device, undefined, machine)).toThrow(
      `Expected device to be one of auto, cpu, cpu:0, mps, cuda or cuda:1 but received '${device}'`,
    )
  })
})

describe('doctor', () => {
  const lines = (numa: readonly NumaNode[]) => report({ ...diagnose(), numa })

  it('tells of several nodes and what they are for', () => {
    expect(lines(machine.nodes)).toContain(
      'numa        cpu:0 (cores: 32), cpu:2 (cores: 32); one engine for each: --device cpu:0,cpu:2',
    )
  })

  it('tells of no single node', () => {
    expect(lines([node(0, 32)]).filter((line) => line.startsWith('numa'))).toEqual([])
  })
})
