import type { ComponentChildren } from 'preact'

export interface FieldProps {
  readonly id: string
  readonly label: string
  readonly hint?: string | undefined
  readonly error?: string | undefined
  readonly children: (described: Described) => ComponentChildren
}

/** What the input itself must carry, so that a screen reader reads hint and error with it. */
export interface Described {
  readonly id: string
  readonly 'aria-describedby': string | undefined
  readonly 'aria-invalid': boolean
}

/** An input with its label, its hint and what is wrong with it. */
export function Field({ id, label, hint, error, children }: FieldProps) {
  const parts = [error === undefined ? null : `${id}-error`, hint === undefined ? null : `${id}-hint`]
  const described = parts.filter((part) => part !== null).join(' ') || undefined
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, 'aria-describedby': described, 'aria-invalid': error !== undefined })}
      {hint !== undefined && (
        <small id={`${id}-hint`} class="quiet">
          {hint}
        </small>
      )}
      {error !== undefined && (
        <small id={`${id}-error`} class="error">
          {error}
        </small>
      )}
    </div>
  )
}
