import { Counter, Gauge, type Registry } from 'prom-client'

/** Labels and a value; null where there is none. */
export type Reading = readonly [labels: Readonly<Record<string, string>>, value: number | null]

/** Metrics that somebody else counts: read when somebody looks. */
export class Readings<Source> {
  constructor(
    private readonly registry: Registry,
    private readonly source: () => Source | Promise<Source>,
  ) {}

  gauge(name: string, help: string, labelNames: readonly string[], read: (now: Source) => Reading[]): void {
    const { registry, source } = this
    new Gauge({
      name: `wuerstchen_${name}`,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset()
        for (const [labels, value] of read(await source())) if (value !== null) this.set(labels, value)
      },
    })
  }

  counter(name: string, help: string, labelNames: readonly string[], read: (now: Source) => Reading[]): void {
    const { registry, source } = this
    new Counter({
      name: `wuerstchen_${name}`,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset()
        for (const [labels, value] of read(await source())) this.inc(labels, value ?? 0)
      },
    })
  }
}
