import { Field } from './field'

export interface NumberFieldProps {
  readonly id: string
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly min: number
  readonly max: number
  /** Defaults to whole numbers. */
  readonly step?: number | 'any' | undefined
  /** Shown while the field is empty: what the server then takes. */
  readonly placeholder?: string | undefined
  readonly required?: boolean | undefined
  readonly hint?: string | undefined
  readonly error?: string | undefined
}

/** A number. The browser itself says what is out of range. */
export function NumberField(props: NumberFieldProps) {
  const { id, label, value, onChange, min, max, step = 1, placeholder, required = false, hint, error } = props
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      {(described) => (
        <input
          {...described}
          type="number"
          inputmode={step === 1 ? 'numeric' : 'decimal'}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
          {...{ min, max, step, placeholder, required }}
        />
      )}
    </Field>
  )
}
