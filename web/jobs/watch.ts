import { ApiError, type Client } from '../api/client'
import { follow, pause } from '../api/events'
import { dropJob, keepJob } from './kept'
import type { Slots } from './slots'
import type { JobAction } from './state'

const POLL_MS = 2000

export interface Watching {
  readonly client: Client
  readonly slots: Slots
  readonly signal: AbortSignal
  readonly dispatch: (action: JobAction) => void
  /** Takes a finished picture into the gallery. */
  readonly save: (id: string, index: number, picture: Blob) => Promise<void>
}

/** Follows a job to its end; its pictures are saved as they come. Resolves once all of them are. */
export async function watchJob(watching: Watching, id: string): Promise<void> {
  keepJob(id)
  try {
    const release = await slotFor(watching, id)
    try {
      await followToEnd(watching, id)
    } finally {
      release()
    }
    if (!watching.signal.aborted) dropJob(id)
  } catch (error) {
    if (watching.signal.aborted) return
    const unauthorized = error instanceof ApiError && error.status === 401
    if (unauthorized) return // watched once more with another key
    dropJob(id)
    watching.dispatch({ type: 'lost', id, message: (error as Error).message })
  }
}

/** While all event streams are taken, the queue's position is asked for now and then. */
async function slotFor({ client, slots, signal, dispatch }: Watching, id: string): Promise<() => void> {
  const taken = slots.take()
  const waiting = new AbortController()
  const end = () => waiting.abort()
  taken.then(end)
  signal.addEventListener('abort', end, { once: true })
  for (;;) {
    await pause(POLL_MS, waiting.signal)
    if (waiting.signal.aborted) return taken
    const job = await client.job(id, waiting.signal).catch(() => null)
    if (job === null) continue
    if (job.finished_at !== null) {
      // It has overtaken others, and its stream is short: no need to wait.
      taken.then((release) => release())
      return () => undefined
    }
    dispatch({ type: 'watched', job })
  }
}

async function followToEnd(watching: Watching, id: string): Promise<void> {
  const { client, signal, dispatch } = watching
  const saving: Promise<void>[] = []
  const saves = new Set<number>()
  const save = (index: number) => {
    if (saves.has(index)) return
    saves.add(index)
    saving.push(savePicture(watching, id, index))
  }
  let last: JobAction | null = null
  for await (const event of follow(client, id, signal)) {
    const action = { type: 'event', id, event } as const
    if (event.type === 'image') save(event.data.image.index)
    if (event.type === 'done' || event.type === 'error') {
      for (const { index } of event.data.job?.images ?? []) save(index)
      last = action
    } else dispatch(action)
  }
  await Promise.all(saving)
  if (last !== null) dispatch(last)
}

async function savePicture({ client, save, dispatch }: Watching, id: string, index: number): Promise<void> {
  await save(id, index, await client.picture(id, index))
  dispatch({ type: 'saved', id, index })
}
