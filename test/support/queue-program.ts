/** A program that has a worker or a server of a queue in it, closes it when it is told to, and lives on by nothing else. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { until } from './until'

const DOOR = join(ROOT, 'dist', 'queue')

export class QueueProgram implements AsyncDisposable {
  private out = ''
  private closedAt = Number.NaN
  private readonly ended: Promise<number | null>

  private constructor(private readonly child: ChildProcess) {
    const hear = (data: Buffer) => {
      this.out += data
      if (Number.isNaN(this.closedAt) && this.out.includes('closed')) this.closedAt = performance.now()
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    this.ended = new Promise((resolve) => child.once('close', resolve))
  }

  /** `made`: an expression of what it closes, such as `await queue.createWorker({…})`. */
  static async start(made: string): Promise<QueueProgram> {
    const body = `const queue = require(${JSON.stringify(DOOR)})
      ;(async () => {
        const it = ${made}
        process.stdin.once('data', async () => {
          process.stdin.destroy()
          await it.close()
          console.log('closed')
        })
        console.log('started')
      })()`
    const program = new QueueProgram(spawn(process.execPath, ['-e', body]))
    await program.says('started')
    return program
  }

  static worker(settings: object): Promise<QueueProgram> {
    const given = { device: 'cpu', threads: 1, logLevel: 'silent', ...settings }
    return QueueProgram.start(`await queue.createWorker(${JSON.stringify(given)})`)
  }

  static server(settings: object): Promise<QueueProgram> {
    const given = { port: 0, logLevel: 'silent', drainSeconds: 0, ...settings }
    return QueueProgram.start(
      `await (async () => {
        const server = await queue.createQueueServer(${JSON.stringify(given)})
        await server.listen()
        return server
      })()`,
    )
  }

  /** Has it close what it has. `lingersMs`: how long it lived on after that. */
  async close(): Promise<{ readonly code: number | null; readonly lingersMs: number; readonly out: string }> {
    this.child.stdin?.write('close')
    const code = await this.ended
    return { code, lingersMs: performance.now() - this.closedAt, out: this.out }
  }

  private async says(text: string): Promise<void> {
    await until(() => {
      if (this.child.exitCode !== null) throw new Error(`Expected a program to say ${text}: ${this.out}`)
      return this.out.includes(text)
    }, 60_000)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }
}
