/** Downloads of tests. None outlives its test, not even where that fails in the middle: it would keep the process alive. */
import type { ChildProcess } from 'node:child_process'
import { parseHubId } from '../../lib/hub/id'
import { fetchSnapshot, type SnapshotOptions } from '../../lib/hub/snapshot'

let over = new AbortController()
const running = new Set<Promise<unknown>>()
const processes: ChildProcess[] = []

/** `fetchSnapshot()` of an id until `stopDownloads()`. */
export function download(id: string, options: SnapshotOptions): Promise<string> {
  const parsed = parseHubId(id)
  if (parsed === null) throw new Error(`Expected an id but received ${id}`)
  const { signal = over.signal } = options
  return untilOver(fetchSnapshot(parsed, { ...options, signal: AbortSignal.any([signal, over.signal]) }))
}

/** Something that ends soon after its signal, this one. */
export function testSignal(): AbortSignal {
  return over.signal
}

/** Something that is waited for at the end of the test, and may fail then. */
export function untilOver<T>(work: Promise<T>): Promise<T> {
  const settled = work.then(
    () => undefined,
    () => undefined,
  )
  running.add(settled)
  void settled.then(() => running.delete(settled))
  return work
}

/** A process that is killed at the end of the test. */
export function killedWhenOver<Child extends ChildProcess>(child: Child): Child {
  processes.push(child)
  return child
}

/** For `afterEach()`, before servers stop and folders go. */
export async function stopDownloads(): Promise<void> {
  over.abort(new Error('the test is over'))
  for (const child of processes.splice(0)) child.kill('SIGKILL')
  await Promise.all(running)
  over = new AbortController()
}
