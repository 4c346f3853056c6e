import { useEffect, useRef } from 'preact/hooks'
import { isOver, type PictureProgress, progressOf, type WatchedJob } from '../jobs/state'
import { statusOf } from '../jobs/words'

export interface JobCardProps {
  readonly job: WatchedJob
  readonly onCancel: (id: string) => void
  readonly onDismiss: (id: string) => void
}

/** One job: where it stands, and previews of its pictures. */
export function JobCard({ job, onCancel, onDismiss }: JobCardProps) {
  const { id, prompt, pictures, warnings, canceling } = job
  const over = isOver(job)
  const button = useRef<HTMLButtonElement>(null)
  const clicked = useRef(false)
  const card = useRef<HTMLElement>(null)
  // On a phone the list is below the form.
  useEffect(() => card.current?.scrollIntoView({ block: 'nearest' }), [])
  // Cancel becomes Remove: who pressed the one by keyboard is at the other.
  useEffect(() => {
    if (over && clicked.current) button.current?.focus()
  }, [over])
  return (
    <article ref={card} class="card job" aria-labelledby={`${id}-title`}>
      <h3 id={`${id}-title`}>{prompt}</h3>
      <p class={over ? 'error' : 'status'}>{statusOf(job)}</p>
      {!over && <progress max={1} value={progressOf(job)} aria-labelledby={`${id}-title`} />}
      {warnings.map((warning) => (
        <p key={warning} class="quiet">
          {warning}
        </p>
      ))}
      {pictures.some(({ preview }) => preview !== null) && !over && (
        <ul class="previews">
          {pictures.map((picture) => (
            <Preview key={picture.index} picture={picture} />
          ))}
        </ul>
      )}
      {over ? (
        <button type="button" ref={button} onClick={() => onDismiss(id)}>
          Remove from the list
        </button>
      ) : (
        <button
          type="button"
          ref={button}
          aria-disabled={canceling}
          onClick={() => {
            clicked.current = true
            if (!canceling) onCancel(id)
          }}
        >
          Cancel
        </button>
      )}
    </article>
  )
}

function Preview({ picture: { index, preview, saved } }: { picture: PictureProgress }) {
  const name = `Picture ${index + 1}`
  return (
    <li>
      {preview === null ? <span class="no-preview" /> : <img src={preview} alt={`Preview ${index + 1}`} />}
      <small>{saved ? `${name} is in the gallery` : name}</small>
    </li>
  )
}
