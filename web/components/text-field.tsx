import type { Ref } from 'preact'
import { Field } from './field'

export interface TextFieldProps {
  readonly id: string
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly maxLength: number
  readonly rows: number
  readonly required?: boolean
  readonly inputRef?: Ref<HTMLTextAreaElement>
  readonly hint?: string | undefined
  readonly error?: string | undefined
}

/** A text of some lines; Ctrl or Command with Enter submits the form. */
export function TextField(props: TextFieldProps) {
  const {
    id,
    label,
    value,
    onChange,
    maxLength,
    rows,
    required = false,
    inputRef = null,
    hint,
    error,
  } = props
  const submit = (event: KeyboardEvent & { currentTarget: HTMLTextAreaElement }) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
    event.preventDefault()
    event.currentTarget.form?.requestSubmit()
  }
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      {(described) => (
        <textarea
          {...described}
          ref={inputRef}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
          onKeyDown={submit}
          {...{ maxLength, rows, required }}
        />
      )}
    </Field>
  )
}
