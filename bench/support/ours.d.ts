import type { Model } from '../../lib/memory/loaded-model'
import type { HostTensor, NativeTensor } from '../../lib/native/types'

/** One stage, ready to be asked for a step. */
export interface Step {
  prepare(): Promise<NativeTensor>
  run(latents: NativeTensor): Promise<void>
  result(latents: NativeTensor): Promise<ArrayLike<number>>
}

export interface Setting {
  readonly model: Model
  readonly stage: string
  readonly input: (name: string, row?: number) => HostTensor
  readonly ratio: number
}

export declare const STAGES: Readonly<
  Record<'prior' | 'decoder' | 'vqgan', (setting: Setting) => Promise<Step>>
>
export declare function answer(step: Step, request: { out?: string }): Promise<{ milliseconds: number }>
