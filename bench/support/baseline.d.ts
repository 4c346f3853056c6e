export interface Comparison {
  readonly name: string
  readonly worse: boolean
  readonly text: string
}
type Numbers = Readonly<Record<string, number>>
export declare function compare(found: Numbers, baseline: Numbers, tolerance: number): Comparison[]
export declare function collectedOf(text: string): number
export declare function kindOf(processor: { flags: readonly string[]; vendor: string }): string
export declare function sectionOf(processor: { flags: readonly string[] }, dtype: string): string
export declare function readProcessor(cpuinfo: string): { flags: string[]; vendor: string }
