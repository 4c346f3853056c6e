/** Stage C, Stage B and Stage A. */
export type Stage = 'prior' | 'decoder' | 'vqgan'

/** The stages an image passes through, in order. */
export const STAGES = ['prior', 'decoder', 'vqgan'] as const satisfies readonly Stage[]

/** The stages that each part of the way has. */
export const PARTS = {
  generate: STAGES,
  prior: ['prior'],
  decode: ['decoder', 'vqgan'],
} as const satisfies Readonly<Record<string, readonly Stage[]>>
