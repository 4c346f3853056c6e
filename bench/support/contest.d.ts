import type { Worker } from './worker'
export interface Contender {
  readonly name: string
  readonly times: readonly number[]
  readonly median: number | null
  readonly failure: string | null
}
export declare function contest(
  starts: Readonly<Record<string, () => Worker>>,
  options: {
    readonly rounds: number
    readonly tolerance: (name: string) => number
    readonly log: (text: string) => void
  },
): Promise<Contender[]>
