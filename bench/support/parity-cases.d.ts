import type { GeneratedImage, GenerateOptions, WuerstchenPipeline } from '../../lib'

export interface ParityCase {
  readonly name: string
  readonly model: 'small' | 'shapes'
  /** Made by prior() and decode(). */
  readonly halves?: boolean
  readonly request: GenerateOptions & { readonly prompt: string; readonly decoderSeed?: number }
}
export declare function picturesOf(pipeline: WuerstchenPipeline, one: ParityCase): Promise<GeneratedImage[]>
export declare const CUSTOM_TIMESTEPS: readonly number[]
export declare function parityCases(defaults: { readonly defaultTimesteps: readonly number[] }): ParityCase[]
