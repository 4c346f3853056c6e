import { getEventListeners } from 'node:events'
import { runInThisContext } from 'node:vm'

/** Jest's own `process` is a copy that hears no warnings. */
const realProcess: NodeJS.Process = runInThisContext('process')

/** A signal that many calls share, and what the process would be warned of. */
export class SharedSignal implements AsyncDisposable {
  private readonly controller = new AbortController()
  private readonly warnings: Error[] = []
  private readonly onWarning = (warning: Error) => void this.warnings.push(warning)

  constructor() {
    realProcess.on('warning', this.onWarning)
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }

  get listeners(): number {
    return getEventListeners(this.signal, 'abort').length
  }

  abort(reason: unknown): void {
    this.controller.abort(reason)
  }

  /** Warnings of too many listeners; they are told a turn of the event loop later. */
  async warned(): Promise<readonly string[]> {
    await new Promise(setImmediate)
    return this.warnings.filter(({ name }) => name.startsWith('MaxListeners')).map(({ message }) => message)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    realProcess.off('warning', this.onWarning)
  }
}
