import type { FieldName, Settings } from '../settings/settings'
import { NumberField, type NumberFieldProps } from './number-field'
import { SelectField } from './select-field'

export interface MoreSettingsProps {
  readonly field: (name: FieldName) => Pick<NumberFieldProps, 'id' | 'value' | 'onChange' | 'error'>
  readonly settings: Settings
  readonly maxSteps: number
}

const SYNTAXES = { '': 'Plain text', compel: 'Compel: (red)1.3', a1111: 'AUTOMATIC1111: (red:1.3)' }
const LONG = { '': 'Leave out the end', chunk: 'Read in pieces' }

const EXACT = 'Spaced as in the picture.'

/** Steps and guidance of both stages: the prior plans the picture, the decoder draws it. */
export function MoreSettings({ field, settings, maxSteps }: MoreSettingsProps) {
  const { priorTimesteps, decoderTimesteps } = settings
  const guidance = { min: 0, max: 100, step: 'any', placeholder: "the model's" } as const
  return (
    <details>
      <summary>Steps, guidance and prompt syntax</summary>
      <p class="quiet">
        The prior plans the picture, the decoder draws it. More steps take longer. Higher guidance follows the
        prompt more closely.
      </p>
      <div class="row">
        <NumberField
          {...field('priorSteps')}
          label="Prior steps"
          min={1}
          max={maxSteps}
          placeholder="the model's"
          hint={priorTimesteps === null ? undefined : EXACT}
        />
        <NumberField {...field('priorGuidance')} label="Prior guidance" {...guidance} />
      </div>
      <div class="row">
        <NumberField
          {...field('decoderSteps')}
          label="Decoder steps"
          min={1}
          max={maxSteps}
          placeholder="the model's"
          hint={decoderTimesteps === null ? undefined : EXACT}
        />
        <NumberField {...field('decoderGuidance')} label="Decoder guidance" {...guidance} placeholder="0" />
      </div>
      <div class="row">
        <SelectField {...field('promptSyntax')} label="Prompt syntax" choices={SYNTAXES} />
        <SelectField {...field('longPrompts')} label="Long prompts" choices={LONG} />
      </div>
    </details>
  )
}
