import { useRef } from 'preact/hooks'
import type { WatchedJob } from '../jobs/state'
import { JobCard } from './job-card'

export interface JobListProps {
  readonly jobs: readonly WatchedJob[]
  readonly onCancel: (id: string) => void
  readonly onDismiss: (id: string) => void
}

/** Jobs that wait or run, and those that ended without all of their pictures. */
export function JobList({ jobs, onCancel, onDismiss }: JobListProps) {
  const title = useRef<HTMLHeadingElement>(null)
  const dismiss = (id: string) => {
    // The button that has the focus goes away with its job.
    title.current?.focus()
    onDismiss(id)
  }
  return (
    <section aria-labelledby="jobs-title">
      <h2 id="jobs-title" ref={title} tabIndex={-1}>
        Jobs
      </h2>
      {jobs.length === 0 && <p class="quiet">Nothing is being made.</p>}
      {jobs.map((job) => (
        <JobCard key={job.id} job={job} onCancel={onCancel} onDismiss={dismiss} />
      ))}
    </section>
  )
}
