/** How many cores this process may keep busy. Node's own `availableParallelism()` knows neither quotas nor siblings. */
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * Cores that this process may run on, each counted once however many threads of hardware it has, for those share what
 * multiplies; fewer where a container gets less time than that. On Linux; elsewhere what Node says. At least 1.
 */
export function usableCores(root = '/', known = availableParallelism()): number {
  const cpus = allowedCpus(root)
  const allowed = cpus === null ? known : coresOf(root, cpus)
  return Math.max(1, Math.floor(Math.min(known, allowed, coresQuota(root))))
}

/** CPUs that this process may run on, as the system numbers them; null where it does not tell. */
export function allowedCpus(root = '/'): readonly number[] | null {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(read(root, 'proc/self/status') ?? '')?.[1]
  return list === undefined ? null : numbersOf(list)
}

/** How many cores have these threads of hardware. */
export function coresOf(root: string, cpus: readonly number[]): number {
  const siblings = cpus.map((cpu) => {
    const folder = `sys/devices/system/cpu/cpu${cpu}/topology`
    return read(root, `${folder}/core_cpus_list`) ?? read(root, `${folder}/thread_siblings_list`) ?? `${cpu}`
  })
  return new Set(siblings).size
}

/** `0-2,5` -> 0, 1, 2, 5; '' -> none */
export function numbersOf(list: string): number[] {
  if (list === '') return []
  return list.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

/** Cores' worth of time that the groups of this process get, the least of them; infinite without a limit. */
export function coresQuota(root = '/'): number {
  const groups = (read(root, 'proc/self/cgroup') ?? '').split('\n').map((line) => line.split(':'))
  const quotas = groups.flatMap(([, controllers = '', path = '']) => {
    if (controllers === '') return parents(path).map((group) => quotaOf(root, `sys/fs/cgroup${group}`))
    if (!controllers.split(',').includes('cpu')) return []
    return parents(path).map((group) => oldQuotaOf(root, `sys/fs/cgroup/${controllers}${group}`))
  })
  return Math.min(Number.POSITIVE_INFINITY, ...quotas)
}

/** `/a/b` -> `/a/b`, `/a`, `/`: a limit of a group binds all below it. A container may see its own group as the root. */
function parents(path: string): string[] {
  const parent = dirname(path)
  return parent === path || path === '' ? ['/'] : [path, ...parents(parent)]
}

/** Version 2: `max 100000`, or microseconds of each period. */
function quotaOf(root: string, group: string): number {
  return ratio(...((read(root, join(group, 'cpu.max')) ?? '').split(' ') as [string?, string?]))
}

/** Version 1: -1 is no limit. */
function oldQuotaOf(root: string, group: string): number {
  return ratio(read(root, join(group, 'cpu.cfs_quota_us')), read(root, join(group, 'cpu.cfs_period_us')))
}

function ratio(time?: string | null, period?: string | null): number {
  const cores = Number(time) / Number(period)
  return cores > 0 ? cores : Number.POSITIVE_INFINITY
}

/** A file of the system, without white space around it; null where there is none. */
export function read(root: string, path: string): string | null {
  try {
    return readFileSync(join(root, path), 'utf8').trim()
  } catch {
    return null
  }
}

/** Names in a folder of the system; none where there is none. */
export function listed(root: string, path: string): readonly string[] {
  try {
    return readdirSync(join(root, path))
  } catch {
    return []
  }
}
