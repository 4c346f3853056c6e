import type { StreamEvent } from '../index'
import { encode } from '../server/pictures'
import type { Attempt, Jobs } from './jobs'

/** Steps are told at most this often for each job: nobody sees more, and a broker serves many jobs. */
const TELL_EVERY_MS = 100

/** What is over so soon is worth no step: its followers hear of its pictures. */
const FIRST_AFTER_MS = 50

/** What an attempt tells of its way. The latest of each slot is sent, one message at a time. */
export class Report {
  private readonly waiting = new Map<string, object>()
  private warnings: readonly string[] = []
  private sending = false
  private ended = false
  private lastSent = performance.now() + FIRST_AFTER_MS - TELL_EVERY_MS

  constructor(
    private readonly jobs: Jobs,
    private readonly attempt: Attempt,
    /** The attempt does not hold the job any more. */
    private readonly lost: () => void,
  ) {}

  step({ index, stage, step, steps, etaMs }: StreamEvent & { type: 'step' }): void {
    this.add(`step:${index}`, { type: 'step', index, stage, step, steps, etaMs })
  }

  async preview({ index, step, steps, image }: StreamEvent & { type: 'preview' }): Promise<void> {
    const data = (await encode(image, 'png', null)).toString('base64')
    const { width, height } = image
    const mediaType = 'image/png'
    this.add(`preview:${index}`, { type: 'preview', index, step, steps, width, height, mediaType, data })
  }

  add(slot: string, event: object): void {
    if (this.ended) return
    this.waiting.set(slot, event)
    if (!this.sending) void this.send()
  }

  warn(warnings: readonly string[]): void {
    if (warnings.length === 0) return
    this.warnings = warnings
    // At once: they are part of the job, however short it is.
    this.lastSent = Number.NEGATIVE_INFINITY
    this.add('queued', { type: 'queued', position: 0, warnings })
  }

  /** A picture is finished: what was still to be said of its making is outdated. */
  finished(index: number): void {
    this.waiting.delete(`step:${index}`)
    this.waiting.delete(`preview:${index}`)
  }

  /** Says nothing more. */
  end(): void {
    this.ended = true
    this.waiting.clear()
  }

  private async send(): Promise<void> {
    this.sending = true
    try {
      while (this.waiting.size > 0) {
        const wait = this.lastSent + TELL_EVERY_MS - performance.now()
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
        const events = [...this.waiting]
        if (events.length === 0) break
        this.waiting.clear()
        this.lastSent = performance.now()
        const held = await this.jobs.tell(this.attempt, events, this.warnings)
        if (!held && !this.ended) this.lost()
      }
    } catch {
      // The next one may get through; the end of the job is told by other means.
    } finally {
      this.sending = false
    }
  }
}
