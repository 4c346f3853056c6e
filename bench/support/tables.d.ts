export interface Measured {
  readonly name: string
  readonly times: readonly number[]
  readonly median: number | null
  readonly error: number | null
  readonly failure: string | null
}
export interface StageResult {
  readonly title: string
  readonly contenders: readonly Measured[]
  readonly flops: { readonly total: number }
}
export declare function bestPeer(contenders: readonly Measured[]): Measured | null
export declare function share(flops: number, milliseconds: number, gflops: number): number
export declare function stageTable(result: StageResult, rate: { readonly packed: number }): string
