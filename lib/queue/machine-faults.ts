/** Faults that another machine, or this one a little later, may not have. All others are the request's. */
const MACHINES_FAULTS = [
  'OUT_OF_MEMORY',
  'STORE_FAILED',
  'BROKER_UNREACHABLE',
  'QUEUE_FULL',
  'DISPOSED',
  'DISK_FULL',
  'INTERNAL',
]

export function isMachines(code: string): boolean {
  return MACHINES_FAULTS.some((kind) => code === `ERR_WUERSTCHEN_${kind}`)
}
