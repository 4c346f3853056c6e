/** What this machine's GPU needs of a libtorch. */

import { BUILDS, type Build } from './builds'
import { runtimeInstall } from './commands'
import type { Libtorch } from './find'
import { flavoursFor, type NvidiaDriver, nvidiaDriver } from './flavours'
import { hasCuda } from './libraries'
import { TARGET } from './runtimes'

/** A GPU, and whether the libtorch that was found uses it. */
export interface GpuFindings extends NvidiaDriver {
  readonly used: boolean
  /** What would use it; null where it is used. */
  readonly advice: string | null
}

interface GpuOptions {
  readonly driver?: NvidiaDriver | null
  readonly builds?: readonly Build[]
  readonly target?: string
}

/** Null on a machine without a driver for NVIDIA's GPUs. */
export function gpuFindings(
  libtorch: Libtorch | null,
  { driver = nvidiaDriver(), builds = BUILDS, target = TARGET }: GpuOptions = {},
): GpuFindings | null {
  if (driver === null) return null
  if (libtorch !== null && hasCuda(libtorch.directory)) return { ...driver, used: true, advice: null }
  const fitting = flavoursFor(driver)
  const here = builds.filter((one) => one.target === target)
  const known = fitting.map((flavour) => here.find((one) => one.flavour === flavour)).find(Boolean)
  if (known !== undefined) return { ...driver, used: false, advice: `run: ${runtimeInstall(known)}` }
  const newest = here.filter(({ flavour }) => flavour !== 'cpu').at(-1)
  if (newest === undefined)
    return { ...driver, used: false, advice: `there is no CUDA runtime for ${target}` }
  const own = fitting.length > 0 ? `, or name a PyTorch for ${fitting[0]} in WUERSTCHEN_LIBTORCH` : ''
  const advice = `update the driver (CUDA 13 needs 580 or newer) and run: ${runtimeInstall(newest)}${own}`
  return { ...driver, used: false, advice }
}
