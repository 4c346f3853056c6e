/** Options that change nothing as they stand: callers hear of it in `warnings`. */

import type { GenerateOptions } from './options'
import type { Named } from './prompts'
import type { Reading } from './texts'

interface Asked {
  readonly part: 'generate' | 'prior' | 'decode'
  readonly options: Pick<GenerateOptions, 'negativePrompt' | 'previewEvery' | 'onPreview'>
  /** Whether negative prompts take part. */
  readonly guided: boolean
  readonly syntax: Reading['syntax']
  readonly prompts: readonly Named[]
}

/** As AUTOMATIC1111's web UI has it, where it loads a file: `<lora:style:0.8>`. */
const LORA = /<(?:lora|lyco|hypernet):[^<>]{1,200}>/

/** One sentence for each. */
export function withoutEffect({ part, options, guided, syntax, prompts }: Asked): readonly string[] {
  const { negativePrompt, previewEvery, onPreview } = options
  const warnings: string[] = []
  // For decode() it is also what the embeddings were made with, which its pictures record.
  if (part !== 'decode' && !guided && saysSomething(negativePrompt)) {
    const why = part === 'generate' ? 'no guidance scale is above 1' : 'priorGuidanceScale is not above 1'
    warnings.push(`The negativePrompt has no effect: ${why}.`)
  }
  if (onPreview !== undefined && previewEvery === undefined)
    warnings.push('onPreview is never called: previewEvery is not given.')
  const named = syntax === 'a1111' ? prompts.find(({ prompt }) => loraIn(prompt) !== null) : undefined
  if (named !== undefined)
    warnings.push(`${loraIn(named.prompt)} in ${named.name} is read as text: loadLora() loads LoRAs.`)
  return warnings
}

function saysSomething(given: Asked['options']['negativePrompt']): boolean {
  return given !== undefined && [given].flat().some((one) => one !== '')
}

function loraIn(prompt: Named['prompt']): string | null {
  return typeof prompt === 'string' ? (LORA.exec(prompt)?.[0] ?? null) : null
}
