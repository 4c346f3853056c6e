/** NUMA nodes: CPUs with memory of their own, often a socket each. `cpu:0` names one as a device. On Linux. */
import { allowedCpus, coresOf, listed, numbersOf, read } from './cores'

/** One with CPUs that this process may use. */
export interface NumaNode {
  /** As the system numbers it. */
  readonly node: number
  /** Those of this process, as the system numbers them. */
  readonly cpus: readonly number[]
  /** Of these CPUs: siblings count once. */
  readonly cores: number
}

/** The nodes that this process may use, in the system's order; none where the system tells of none. */
export function numaNodes(root = '/'): readonly NumaNode[] {
  const allowed = allowedCpus(root)
  return listed(root, 'sys/devices/system/node')
    .flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
    .map((node) => {
      const cpus = numbersOf(read(root, `sys/devices/system/node/node${node}/cpulist`) ?? '')
      const usable = cpus.filter((cpu) => allowed === null || allowed.includes(cpu))
      return { node, cpus: usable, cores: coresOf(root, usable) }
    })
    .filter(({ cpus }) => cpus.length > 0)
}
