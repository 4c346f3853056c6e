/** What every way of asking for pictures has in common. Names are diffusers', as Python clients write them. */
import { type Static, Type } from '@sinclair/typebox'
import { oneOf, orNull } from './kinds'

export const SIDE = { minimum: 64, maximum: 4096 } as const

const guidance = (what: string) => Type.Optional(Type.Number({ minimum: 0, maximum: 100, description: what }))
const steps = (what: string) =>
  Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, description: `${what} The server's maxSteps may allow less.` }),
  )
const timesteps = (what: string) =>
  Type.Optional(
    Type.Array(Type.Number({ minimum: 0, maximum: 1 }), { minItems: 2, maxItems: 1001, description: what }),
  )

export const Prompt = Type.String({
  minLength: 1,
  maxLength: 32_000,
  description: 'What the pictures show. The server may allow less.',
})

export const Count = Type.Integer({
  minimum: 1,
  maximum: 10,
  default: 1,
  description: 'Pictures of the prompt.',
})

export const OutputFormat = oneOf(['png', 'jpeg', 'webp'], {
  default: 'png',
  description: 'A PNG carries its prompt and settings in text fields.',
})

export const OutputCompression = Type.Integer({
  minimum: 0,
  maximum: 100,
  default: 100,
  description: 'Quality of jpeg and webp, ignored for png. 0 is the same as 1, the least that encoders have.',
})

export const PictureOptions = Type.Object(
  {
    width: Type.Optional(Type.Integer({ ...SIDE, description: "Pixels. Defaults to the model's own size." })),
    height: Type.Optional(
      Type.Integer({ ...SIDE, description: "Pixels. Defaults to the model's own size." }),
    ),
    negative_prompt: Type.Optional(
      Type.String({ maxLength: 32_000, description: 'What the pictures should not show.' }),
    ),
    prompt_syntax: Type.Optional(
      oneOf(['plain', 'compel', 'a1111'], {
        default: 'plain',
        description:
          'How both prompts are written: plain text, or with the weights of Compel or AUTOMATIC1111.',
      }),
    ),
    long_prompts: Type.Optional(
      oneOf(['truncate', 'chunk'], {
        default: 'truncate',
        description:
          'What becomes of text that is too long: left out with a warning, or read in further pieces.',
      }),
    ),
    seed: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description:
          'The same seed and request make the same pictures; one seed for several is one generator, as in diffusers. Defaults to ' +
          'a random one for each picture, which is returned with it.',
      }),
    ),
    prior_num_inference_steps: steps(
      "Evenly spaced steps of the prior. Defaults to the model's own, or to 29 steps of their own spacing.",
    ),
    prior_timesteps: timesteps("The prior's own schedule, from at most 1 down to 0. Not with its steps."),
    prior_guidance_scale: guidance("How closely the prior follows the prompt. Defaults to the model's."),
    num_inference_steps: steps("Evenly spaced steps of the decoder. Defaults to the model's own, or 12."),
    decoder_timesteps: timesteps("The decoder's own schedule. Not with its steps."),
    decoder_guidance_scale: guidance('How closely the decoder follows the prompt. Defaults to 0.'),
  },
  { additionalProperties: false },
)
export type PictureOptions = Static<typeof PictureOptions>

export const Priority = Type.Integer({
  minimum: -10,
  maximum: 10,
  description:
    "Higher goes first. Defaults to the key's own priority, which is also the most: what is higher counts as that, and the job says so.",
})

/** Errors are OpenAI's: `code` is one of docs/errors.md, or of the HTTP layer. */
export const ErrorBody = Type.Object(
  {
    error: Type.Object({
      message: Type.String(),
      type: Type.String(),
      param: orNull(Type.String()),
      code: orNull(Type.String()),
    }),
  },
  { $id: 'Error' },
)
export type ErrorBody = Static<typeof ErrorBody>
