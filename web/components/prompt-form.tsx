import type { Ref } from 'preact'
import { useState } from 'preact/hooks'
import { ApiError } from '../api/client'
import type { Info, JobCreate } from '../api/types'
import { secondsOf } from '../jobs/words'
import { edited, type FieldName, fieldOf, requestOf, type Settings } from '../settings/settings'
import { MoreSettings } from './more-settings'
import { NumberField } from './number-field'
import { SizeFields } from './size-fields'
import { TextField } from './text-field'

const PREVIEW_EVERY = 2

export interface PromptFormProps {
  readonly settings: Settings
  readonly onChange: (settings: Settings) => void
  readonly info: Info
  readonly onSubmit: (request: JobCreate) => Promise<void>
  readonly promptRef: Ref<HTMLTextAreaElement>
}

export interface Mistake {
  /** Null where no field is at fault. */
  readonly field: FieldName | null
  readonly message: string
}

/** What the pictures show and how they are made. */
export function PromptForm({ settings, onChange, info, onSubmit, promptRef }: PromptFormProps) {
  const [busy, setBusy] = useState(false)
  const [mistake, setMistake] = useState<Mistake | null>(null)
  const { limits, models } = info
  const [model] = models
  const field = (name: FieldName) => ({
    id: name,
    value: settings[name],
    onChange: (value: string) => onChange(edited(settings, name, value)),
    error: mistake?.field === name ? mistake.message : undefined,
  })
  const submit = async (event: Event) => {
    event.preventDefault()
    if (busy) return
    setBusy(true)
    setMistake(null)
    const previewEvery = model?.previews ? PREVIEW_EVERY : null
    await onSubmit(requestOf(settings, { previewEvery })).catch((error) => setMistake(mistakeOf(error)))
    setBusy(false)
  }
  return (
    <form class="card" onSubmit={submit} aria-label="New pictures">
      <TextField
        {...field('prompt')}
        label="Prompt"
        rows={3}
        required
        maxLength={limits.max_prompt_characters}
        inputRef={promptRef}
      />
      <TextField
        {...field('negativePrompt')}
        label="Negative prompt"
        hint="What the pictures should not show."
        rows={1}
        maxLength={limits.max_prompt_characters}
      />
      <SizeFields width={field('width')} height={field('height')} info={info} />
      <div class="row">
        <NumberField {...field('count')} label="Pictures" min={1} max={limits.max_images} required />
        <NumberField
          {...field('seed')}
          label="Seed"
          min={0}
          max={Number.MAX_SAFE_INTEGER}
          placeholder="random"
        />
      </div>
      <MoreSettings field={field} settings={settings} maxSteps={limits.max_steps} />
      {mistake !== null && (
        <p class="error" role="alert">
          {mistake.message}
        </p>
      )}
      <button type="submit" class="main" disabled={model === undefined} aria-busy={busy}>
        {model === undefined ? 'The model is loading …' : 'Generate'}
      </button>
    </form>
  )
}

function mistakeOf(error: unknown): Mistake {
  const { message } = error as Error
  if (!(error instanceof ApiError)) return { field: null, message }
  const { retryAfterSeconds: seconds } = error
  const later = seconds === null ? '' : `. Try again in ${secondsOf(seconds * 1000)}.`
  return { field: fieldOf(error.param), message: message.replace(/\.$/, later === '' ? '.' : '') + later }
}
