/** One process downloads a repository at a time; the others wait and find it there. */

import { mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** How often the holder shows that it lives, and after how long a silent holder is taken for dead. */
const BEAT_MS = 2_000
const DEAD_AFTER_MS = 30_000
const POLL_MS = 150

/** Runs `work` while holding the lock. A lock whose process is gone is taken over. */
export async function locked<T>(path: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true })
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), nonce: Math.random() })
  while (!(await acquired(path, mine))) {
    signal.throwIfAborted()
    if (await isAbandoned(path)) await rm(path, { force: true })
    else await sleep(POLL_MS, undefined, { signal })
  }
  const beat = setInterval(() => {
    const now = new Date()
    utimes(path, now, now).catch(() => undefined) // taken over: the other one's business
  }, BEAT_MS).unref()
  try {
    return await work()
  } finally {
    clearInterval(beat)
    if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true })
  }
}

async function acquired(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)])
    if (Date.now() - mtimeMs > DEAD_AFTER_MS) return true
    const holder = JSON.parse(text) as { pid: number; host: string }
    return holder.host === hostname() && !isAlive(holder.pid)
  } catch {
    return false // gone, or just being written: ask again
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
