/** Where a pipeline's devices run: how many threads each has, and the CPUs that those keep to. */
import * as check from '../checks/values'
import { DeviceError, expected } from '../errors'
import { coresQuota, usableCores } from '../native/cores'
import { type NumaNode, numaNodes } from '../native/numa'

/** One device of a pipeline. */
export interface Placement {
  /** As the caller names it: `auto`, `cuda:1`, `cpu:0`. */
  readonly name: string
  /** As libtorch names it: `cpu` for `cpu:0`. */
  readonly device: string
  readonly threads: number
  /** What its threads keep to, as the system numbers them; undefined for all that the process has. */
  readonly cpus: readonly number[] | undefined
}

/** What there is to share out. */
export interface Machine {
  /** Cores that this process may keep busy. */
  readonly cores: number
  /** Cores' worth of time that it gets at most. Defaults to no limit. */
  readonly quota?: number
  /** Defaults to none. */
  readonly nodes?: readonly NumaNode[]
}

export function thisMachine(): Machine {
  return { cores: usableCores(), quota: coresQuota(), nodes: numaNodes() }
}

/**
 * Every device with its threads. Devices share the machine's cores, those of a node the node's. A node's also keep to their share of
 * a quota. @throws InvalidArgumentError for what is no device. @throws DeviceError for a node that is not there.
 */
export function placeDevices(
  device: unknown,
  wantedThreads: number | undefined,
  machine: Machine,
): readonly [Placement, ...Placement[]] {
  const threads =
    wantedThreads === undefined ? undefined : check.integer('threads', wantedThreads, { min: 1, max: 1024 })
  const names = namesOf(device)
  const places = names.map(({ option, name }) => {
    const node = nodeOf(option, name, machine.nodes ?? [])
    const cores = node === null ? machine.cores / names.length : coresOn(node, names, machine)
    return {
      name,
      device: node === null ? name : 'cpu',
      threads: threads ?? Math.max(1, Math.floor(cores)),
      cpus: node?.cpus,
    }
  })
  return places as unknown as readonly [Placement, ...Placement[]]
}

interface Named {
  /** Of the option: `device[1]`. */
  readonly option: string
  readonly name: string
}

function namesOf(device: unknown = 'auto'): readonly Named[] {
  if (!Array.isArray(device)) return [named('device', device)]
  const list = check.list('device', device, 'a list of devices', { min: 1, max: 64 })
  return list.map((one, index) => named(`device[${index}]`, one))
}

function named(option: string, name: unknown): Named {
  if (typeof name === 'string' && /^(auto|cpu(:(0|[1-9]\d{0,3}))?|mps|cuda(:\d{1,3})?)$/.test(name))
    return { option, name }
  throw expected(option, 'one of auto, cpu, cpu:0, mps, cuda or cuda:1', name)
}

/** Null for a device that is none. */
function nodeOf(option: string, name: string, nodes: readonly NumaNode[]): NumaNode | null {
  if (!name.startsWith('cpu:')) return null
  const found = nodes.find(({ node }) => name === `cpu:${node}`)
  if (found !== undefined) return found
  const known = nodes.map(({ node }) => `cpu:${node}`)
  const there =
    known.length === 0 ? "This system tells of none: use 'cpu'." : `This process may use ${known.join(', ')}.`
  const message = `Expected ${option} to be a NUMA node of this machine but received '${name}'. ${there}`
  throw new DeviceError(message, { details: { device: name, nodes: known } })
}

function coresOn({ node, cores }: NumaNode, names: readonly Named[], { quota }: Machine): number {
  const sharing = names.filter(({ name }) => name === `cpu:${node}`).length
  return Math.min(cores / sharing, (quota ?? Number.POSITIVE_INFINITY) / names.length)
}
