/** The OpenAI images API, as its clients speak it. What is of no use to a local model is accepted and ignored. */
import { type Static, Type } from '@sinclair/typebox'
import { oneOf, orNull } from './kinds'
import { Count, OutputCompression, OutputFormat, PictureOptions, Priority, Prompt } from './pictures'

const IGNORED = { description: 'Accepted and ignored.' }

/** Options of ours in a request of theirs. */
export const WuerstchenOptions = Type.Composite(
  [Type.Object({ priority: Type.Optional(Priority) }), PictureOptions],
  {
    additionalProperties: false,
    description: "Options that OpenAI's API has no name for; width and height take the place of size.",
  },
)

export const ImagesRequest = Type.Object(
  {
    prompt: Prompt,
    model: Type.Optional(
      orNull(
        Type.String({
          maxLength: 200,
          description: "The model's name, 'wuerstchen', or a name that the server has it under.",
        }),
      ),
    ),
    n: Type.Optional(orNull(Count)),
    size: Type.Optional(
      orNull(
        Type.String({
          pattern: '^(auto|[1-9][0-9]{1,3}x[1-9][0-9]{1,3})$',
          'x-expected': 'auto, or width and height such as 1024x768',
          default: 'auto',
          description: "Width and height in pixels, such as 1024x768; auto is the model's own size.",
        }),
      ),
    ),
    response_format: Type.Optional(
      orNull(
        oneOf(['b64_json', 'url'], {
          default: 'b64_json',
          description: 'url: the address of the picture on this server, until the job expires.',
        }),
      ),
    ),
    output_format: Type.Optional(orNull(OutputFormat)),
    output_compression: Type.Optional(orNull(OutputCompression)),
    stream: Type.Optional(
      orNull(Type.Boolean({ default: false, description: 'Server-sent events instead of one answer.' })),
    ),
    partial_images: Type.Optional(
      orNull(
        Type.Integer({
          minimum: 0,
          maximum: 3,
          default: 0,
          description: 'Previews of each picture on its way, as small PNGs; with stream.',
        }),
      ),
    ),
    background: Type.Optional(
      orNull(oneOf(['auto', 'opaque', 'transparent'], { description: 'transparent is refused.' })),
    ),
    quality: Type.Optional(orNull(oneOf(['auto', 'low', 'medium', 'high', 'standard', 'hd'], IGNORED))),
    moderation: Type.Optional(orNull(oneOf(['auto', 'low'], IGNORED))),
    style: Type.Optional(orNull(oneOf(['vivid', 'natural'], IGNORED))),
    user: Type.Optional(orNull(Type.String({ maxLength: 512, ...IGNORED }))),
    wuerstchen: Type.Optional(WuerstchenOptions),
  },
  { $id: 'ImagesRequest', additionalProperties: false },
)
export type ImagesRequest = Static<typeof ImagesRequest>

const Usage = Type.Object(
  {
    total_tokens: Type.Integer(),
    input_tokens: Type.Integer(),
    output_tokens: Type.Integer(),
    input_tokens_details: Type.Object({ text_tokens: Type.Integer(), image_tokens: Type.Integer() }),
  },
  { description: 'All zero: nothing here is counted in tokens.' },
)

export const NO_USAGE: Static<typeof Usage> = {
  total_tokens: 0,
  input_tokens: 0,
  output_tokens: 0,
  input_tokens_details: { text_tokens: 0, image_tokens: 0 },
}

export const ImagesResponse = Type.Object(
  {
    created: Type.Integer(),
    data: Type.Array(
      Type.Object({ b64_json: Type.Optional(Type.String()), url: Type.Optional(Type.String()) }),
    ),
    background: Type.Literal('opaque'),
    output_format: OutputFormat,
    size: Type.String(),
    quality: Type.Literal('high'),
    usage: Usage,
    wuerstchen: Type.Object({
      job: Type.String(),
      seeds: Type.Array(Type.Integer()),
      warnings: Type.Array(Type.String()),
    }),
  },
  { $id: 'ImagesResponse' },
)
export type ImagesResponse = Static<typeof ImagesResponse>

const streamed = {
  b64_json: Type.String(),
  created_at: Type.Integer(),
  size: Type.String({ description: 'Of the picture in this event.' }),
  quality: Type.Literal('high'),
  background: Type.Literal('opaque'),
  output_format: OutputFormat,
}

/** `data:` of the events of `stream: true`. */
export const ImagesEvents = {
  'image_generation.partial_image': Type.Object(
    {
      type: Type.Literal('image_generation.partial_image'),
      partial_image_index: Type.Integer(),
      wuerstchen: Type.Object({ index: Type.Integer(), step: Type.Integer(), steps: Type.Integer() }),
      ...streamed,
    },
    { $id: 'ImagesPartialEvent' },
  ),
  'image_generation.completed': Type.Object(
    {
      type: Type.Literal('image_generation.completed'),
      usage: Usage,
      wuerstchen: Type.Object({ index: Type.Integer(), seed: Type.Integer() }),
      ...streamed,
    },
    { $id: 'ImagesCompletedEvent' },
  ),
} as const

export const Model = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('model'),
    created: Type.Integer(),
    owned_by: Type.String(),
  },
  { $id: 'Model' },
)

export const ModelList = Type.Object(
  { object: Type.Literal('list'), data: Type.Array(Type.Ref(Model)) },
  { $id: 'ModelList' },
)
