export interface Chart {
  readonly title: string
  readonly note?: string
  readonly ticks: readonly number[]
  readonly lines: readonly {
    readonly name: string
    readonly points: readonly (readonly [number, number])[]
  }[]
  readonly xLabel: string
  readonly yLabel: string
}
export declare function lineChart(chart: Chart): string
export declare function tickStep(largest: number, count?: number): number
