/** Steps that a GPU records once for each shape, and repeats at one launch. */

import type { Offload } from '../memory/residency'
import type { StepRecordings } from '../native/types'

/** The status of CUDA graphs. */
export interface CudaGraphs {
  /** Why steps run one operator at a time; null if they are recorded. */
  readonly ignored: string | null
  /** Shapes that were recorded so far, and steps that were repeats of them; of all devices together. */
  readonly recorded: number
  readonly replayed: number
}

/** What steps are recorded with on one device, or why they are not. */
export interface Recording {
  /** The library that can; null for none. */
  readonly recorder: string | null
  readonly ignored: string | null
}

/** Where nobody chose, on GPUs of NVIDIA: 0.46 to 0.88 of the time of a picture, and the same bits (docs/devices.md). */
export function wantsRecordings(wanted: boolean | undefined, devices: readonly string[]): boolean {
  return wanted ?? devices.some((device) => device.startsWith('cuda'))
}

/** `library`: the one for CUDA, null where there is none. */
export function chooseRecording(device: string, offload: Offload, library: string | null): Recording {
  const ignored = reasonAgainst(device, offload, library)
  return { recorder: ignored === null ? library : null, ignored }
}

function reasonAgainst(device: string, offload: Offload, library: string | null): string | null {
  if (!device.startsWith('cuda')) return `the device is ${device}`
  if (offload !== 'none') return `offload '${offload}' has weights come and go`
  if (library === null) return 'this build of the package has no part for CUDA'
  return null
}

/** A device's choice, and what became of it in each network. */
type Recorded = Pick<Recording, 'ignored'> & { readonly networks: readonly StepRecordings[] }

/** Of all devices: all counts, and the first reason. */
export function summed(devices: readonly Recorded[]): CudaGraphs {
  const networks = devices.flatMap((device) => device.networks)
  const reasons = devices.flatMap(({ ignored, networks }) => [ignored, ...networks.map((one) => one.refused)])
  return {
    ignored: reasons.find((reason) => reason !== null) ?? null,
    recorded: networks.reduce((sum, { recorded }) => sum + recorded, 0),
    replayed: networks.reduce((sum, { replayed }) => sum + replayed, 0),
  }
}
