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
    this.register(Gauge, name, help, labelNames, read)
  }

  counter(name: string, help: string, labelNames: readonly string[], read: (now: Source) => Reading[]): void {
    this.register(Counter, name, help, labelNames, read)
  }

  private register(
    Kind: typeof Gauge | typeof Counter,
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (now: Source) => Reading[],
  ): void {
    const { registry, source } = this
    new Kind({
      name: `wuerstchen_${name}`,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset()
        // A metric without labels would be 0 where nothing is known.
        if (labelNames.length === 0) this.remove()
        for (const [labels, value] of read(await source())) if (value !== null) this.inc(labels, value)
      },
    })
  }
}
