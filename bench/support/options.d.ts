export interface BenchOptions {
  readonly stages: readonly string[]
  readonly peers: readonly string[]
  readonly rounds: number
  readonly threads: number
  readonly dtype: string
  readonly json: string | undefined
}
export declare const PEERS: readonly string[]
export declare const STAGES: readonly string[]
export declare function readOptions(args: readonly string[], defaults?: object, more?: object): BenchOptions
