export interface Region {
  readonly tasks: number
  readonly work: number
  readonly microseconds: number
}

export interface Costs {
  /** Operations a microsecond of one thread. */
  readonly rate: number
  /** Microseconds to wake two threads and to wait for them. */
  readonly region: number
  /** Microseconds between regions. */
  readonly rest?: number
}

export interface Plan {
  readonly threads: number
  readonly regions: number
  readonly tasks: number
  readonly starved: number
  readonly serial: number
  readonly speedup: number
  readonly efficiency: number
}

export function regionsOf(numbers: Float32Array): readonly Region[]
export function predict(regions: readonly Region[], threads: number, costs: Costs): number
export function describe(
  regions: readonly Region[],
  single: readonly Region[],
  threads: number,
  costs: Costs,
): Plan
