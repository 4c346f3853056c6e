import { Field } from './field'

export interface SelectFieldProps {
  readonly id: string
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  /** What each value is called; the empty one is the server's default. */
  readonly choices: Readonly<Record<string, string>>
  readonly hint?: string | undefined
  readonly error?: string | undefined
}

/** One of a few. */
export function SelectField({ id, label, value, onChange, choices, hint, error }: SelectFieldProps) {
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      {(described) => (
        <select {...described} value={value} onInput={(event) => onChange(event.currentTarget.value)}>
          {Object.entries(choices).map(([choice, name]) => (
            <option key={choice} value={choice}>
              {name}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}
