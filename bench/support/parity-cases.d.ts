import type { GenerateOptions } from '../../lib'

export interface ParityCase {
  readonly name: string
  readonly model: 'small' | 'shapes'
  readonly request: GenerateOptions & { readonly prompt: string }
}
export declare const CUSTOM_TIMESTEPS: readonly number[]
export declare function parityCases(defaults: { readonly defaultTimesteps: readonly number[] }): ParityCase[]
