import { useEffect, useMemo, useReducer, useRef } from 'preact/hooks'
import { ApiError, type Client } from '../api/client'
import type { JobCreate } from '../api/types'
import { dropJob, keptJobs } from './kept'
import { Slots } from './slots'
import { isOver, reduceJobs, type WatchedJob } from './state'
import { type Watching, watchJob } from './watch'
import { statusOf } from './words'

const EVENT_STREAMS = 3

export interface JobsOptions {
  readonly client: Client
  readonly save: Watching['save']
  readonly announce: (text: string) => void
}

export interface Jobs {
  readonly jobs: readonly WatchedJob[]
  submit(request: JobCreate): Promise<void>
  cancel(id: string): Promise<void>
  dismiss(id: string): void
}

/** The jobs of this page: those that it submits, and those that it watched before a reload. */
export function useJobs({ client, save, announce }: JobsOptions): Jobs {
  const [jobs, dispatch] = useReducer(reduceJobs, [])
  const watching = useMemo(() => ({ client, slots: new Slots(EVENT_STREAMS), dispatch }), [client])
  const page = useRef(new AbortController())
  const watch = (id: string) => {
    const signal = page.current.signal
    return watchJob({ ...watching, signal, save }, id)
  }

  useEffect(() => {
    page.current = new AbortController()
    for (const id of keptJobs()) resume(client, id, dispatch, () => watch(id))
    return () => page.current.abort()
  }, [client])
  useAnnouncements(jobs, announce, (id) => dispatch({ type: 'dismissed', id }))

  return {
    jobs,
    async submit(request) {
      const job = await client.submit(request)
      dispatch({ type: 'watched', job })
      watch(job.id)
    },
    async cancel(id) {
      dispatch({ type: 'canceling', id, canceling: true })
      try {
        dispatch({ type: 'watched', job: await client.cancel(id) })
      } catch (error) {
        dispatch({ type: 'canceling', id, canceling: false })
        announce((error as Error).message)
      }
    },
    dismiss: (id) => dispatch({ type: 'dismissed', id }),
  }
}

async function resume(client: Client, id: string, dispatch: Watching['dispatch'], watch: () => void) {
  try {
    dispatch({ type: 'watched', job: await client.job(id) })
    watch()
  } catch (error) {
    // Its time to live ended while the page was away, or the server forgot it.
    if (error instanceof ApiError && error.status === 404) dropJob(id)
  }
}

/** What a screen reader hears: beginnings and ends, not every step. A job that succeeded leaves the list. */
function useAnnouncements(
  jobs: readonly WatchedJob[],
  announce: (text: string) => void,
  dismiss: (id: string) => void,
): void {
  const told = useRef(new Map<string, string>())
  useEffect(() => {
    for (const job of jobs) {
      const before = told.current.get(job.id)
      told.current.set(job.id, job.status)
      if (before === job.status) continue
      if (before === undefined || isOver(job)) announce(`${job.prompt}: ${statusOf(job)}`)
      if (job.status === 'succeeded') dismiss(job.id)
    }
  }, [jobs, announce, dismiss])
}
