/** The stages an image passes through, in order. */
export const STAGES = ['prior', 'decoder', 'vqgan'] as const
export type Stage = (typeof STAGES)[number]

/** The stages that each part of the way has. */
export const PARTS = {
  generate: STAGES,
  prior: ['prior'],
  decode: ['decoder', 'vqgan'],
} as const satisfies Readonly<Record<string, readonly Stage[]>>
/** How much of the way a request goes. */
export type Part = keyof typeof PARTS
