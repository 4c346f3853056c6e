import { channel } from 'node:diagnostics_channel'
import type { Backend, JobSnapshot } from './backend'

/** Published on the diagnostics channel `wuerstchen:job` when a job of a backend in this process ends. */
export interface JobMessage {
  readonly backend: Backend
  readonly job: JobSnapshot
}

const jobs = channel('wuerstchen:job')

export function publishJob(backend: Backend, job: JobSnapshot): void {
  if (jobs.hasSubscribers) jobs.publish({ backend, job } satisfies JobMessage)
}

/** Listens to one backend's jobs; the result ends that. */
export function onJobEnd(backend: Backend, listener: (job: JobSnapshot) => void): () => void {
  const each = (message: unknown) => {
    const { backend: of, job } = message as JobMessage
    if (of === backend) listener(job)
  }
  jobs.subscribe(each)
  return () => {
    jobs.unsubscribe(each)
  }
}
