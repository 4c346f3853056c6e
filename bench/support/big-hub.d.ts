export const REPOSITORY: string
export const WEIGHTS: string

export interface BigHub {
  readonly endpoint: string
  /** Of the weights. */
  readonly sha256: string
  readonly commit: string
  /** The `Range` of every request for the weights. */
  readonly requests: (string | undefined)[]
  stop(): Promise<void>
}

export function startBigHub(size: number): Promise<BigHub>
