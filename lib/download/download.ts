/** Fetches files: several connections, each with one part of one file at a time. */

import { statSync } from 'node:fs'
import { makeFolder } from '../files/folder'
import type { Answer } from './answer'
import type { Headers, HttpClient } from './http'
import { cut, unreachable } from './network-error'
import { PartialFile } from './partial-file'
import { checkSpace, type Place } from './space'
import type { Wanted } from './wanted'

export type { Wanted } from './wanted'

const CONNECTIONS = 6

/** Bytes arrived. */
export interface Received {
  readonly file: Wanted
  /** Bytes of this file that are here. */
  readonly received: number
  /** The same for all files, and what all have. */
  readonly receivedTotal: number
  readonly total: number
}

/** All targets lie in `folder`. */
export interface Download extends Place {
  /** Asks for a file, or for the range that the headers name; the answer has content. */
  readonly open: (url: URL, headers: Headers) => Promise<Answer>
  readonly persist: HttpClient['persist']
  readonly onProgress: (received: Received) => void
  /** Ends every request. */
  readonly abort: () => void
}

/** Brings every file to its target. What fails leaves its finished parts behind for the next try. */
export async function download(files: readonly Wanted[], job: Download): Promise<void> {
  const wanted = distinct(files.filter((file) => !isThere(file)))
  const partials: PartialFile[] = []
  try {
    await makeFolder(job.folder)
    for (const file of wanted) partials.push(await PartialFile.open(file))
    await checkSpace(missingOf(partials), job)
    const meter = new Meter(files, partials, job)
    const tasks = partials.flatMap((partial) => fetchesOf(partial, job, meter))
    await inParallel(tasks, CONNECTIONS, job.abort)
  } finally {
    await Promise.all(partials.map((partial) => partial.close().catch(() => undefined)))
  }
}

/** Only what was verified is ever given its name. */
function isThere({ target, size }: Wanted): boolean {
  return statSync(target, { throwIfNoEntry: false })?.size === size
}

/** Two names may stand for the same bytes. */
function distinct(files: readonly Wanted[]): readonly Wanted[] {
  return [...new Map(files.map((file) => [file.target, file])).values()]
}

/** Bytes that have not come yet. */
function missingOf(partials: readonly PartialFile[]): number {
  return partials.reduce((sum, { file, received }) => sum + file.size - received, 0)
}

type Task = () => Promise<void>

/** One task for each missing part; whoever finishes a file's last one verifies and publishes it. */
function fetchesOf(partial: PartialFile, job: Download, meter: Meter): readonly Task[] {
  const parts = partial.missing()
  let left = Math.max(1, parts.length)
  const finish = async () => {
    left -= 1
    if (left === 0) await partial.publish()
  }
  if (parts.length === 0) return [finish]
  return parts.map(([start, end]) => async () => {
    await fetchPart(partial, start, end, job, meter)
    await partial.complete(start)
    await finish()
  })
}

/** Asks for what is missing of the part until all of it is here. */
async function fetchPart(
  partial: PartialFile,
  start: number,
  end: number,
  job: Download,
  meter: Meter,
): Promise<void> {
  const { file } = partial
  let at = start
  const attempt = async () => {
    const whole = at === 0 && end === file.size
    const answer = await job.open(file.url, whole ? {} : { range: `bytes=${at}-${end - 1}` })
    // A server that ignores ranges sends everything: what comes before this part is skipped, what comes after is cut.
    let skip = answer.status === 206 ? checkRange(answer.headers['content-range'], at, end, file) : at
    for await (const chunk of answer.body) {
      const useful = chunk.subarray(Math.min(skip, chunk.length))
      skip = Math.max(0, skip - chunk.length)
      if (at + useful.length > end && answer.status === 206) throw tooLong(file)
      const bytes = useful.subarray(0, end - at)
      await partial.write(bytes, at)
      at += bytes.length
      meter.add(file, bytes.length)
      if (at === end && useful.length > bytes.length && end < file.size) break
      if (at === end && useful.length > bytes.length) throw tooLong(file)
    }
    if (at < end) throw cut(`Expected ${end - start} bytes of ${file.name} but received ${at - start}`)
  }
  if (file.size > 0) await job.persist(attempt, () => at)
}

function tooLong({ name, size }: Wanted): Error {
  return unreachable(`Expected ${name} to have ${size} bytes but the server sends more`)
}

/** `bytes 0-99/1234`; returns how many bytes to skip: none. */
function checkRange(header: unknown, start: number, end: number, file: Wanted): 0 {
  if (header === `bytes ${start}-${end - 1}/${file.size}`) return 0
  throw unreachable(
    `Expected bytes ${start}-${end - 1}/${file.size} of ${file.name} but the server sends ${String(header)}`,
  )
}

/** The first failure stops the others; it is told once nothing writes any more. */
async function inParallel(tasks: readonly Task[], width: number, abort: () => void): Promise<void> {
  const waiting = tasks.values()
  const failures: unknown[] = []
  const worker = async () => {
    for (const task of waiting) {
      if (failures.length > 0) return
      await task().catch((error: unknown) => {
        failures.push(error)
        abort()
      })
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  if (failures.length > 0) throw failures[0]
}

/** Tells what has arrived, at most ten times a second and at each file's end. */
class Meter {
  private readonly received = new Map<string, number>()
  private readonly total: number
  private sum: number
  private last = 0

  constructor(
    files: readonly Wanted[],
    partials: readonly PartialFile[],
    private readonly job: Download,
  ) {
    const every = distinct(files)
    this.total = every.reduce((sum, { size }) => sum + size, 0)
    const missing = partials.reduce((sum, { file, received }) => sum + file.size - received, 0)
    this.sum = this.total - missing
    for (const { file, received } of partials) this.received.set(file.target, received)
  }

  add(file: Wanted, bytes: number): void {
    const received = (this.received.get(file.target) ?? 0) + bytes
    this.received.set(file.target, received)
    this.sum += bytes
    const now = Date.now()
    if (received < file.size && now - this.last < 100) return
    this.last = now
    this.job.onProgress({ file, received, receivedTotal: this.sum, total: this.total })
  }
}
