import type { ChildProcess } from 'node:child_process'

export interface WuerstchenProcess extends AsyncDisposable {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  says(text: string): Promise<boolean>
  output(): string
  url(): string
  stop(signal?: NodeJS.Signals): Promise<number | null>
}
type Start = (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<WuerstchenProcess>
export const startWuerstchen: Start
export const startServer: Start
export const startWorker: Start
