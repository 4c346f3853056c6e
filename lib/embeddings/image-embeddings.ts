import { expected, ModelError } from '../errors'
import { saveFile } from '../files/save'
import { checkTensor, type FloatTensor, lerp } from '../tensors/float-tensor'
import { volume } from '../tensors/shape'
import { PROMPT_SYNTAXES, type PromptSyntax } from '../text/syntax/tree'
import { EMBEDDINGS_GIVEN, type GivenAsEmbeddings } from './prompt-embeddings'
import { checkBytes, checkPath, decode, encode, readBytes } from './safetensors'

/**
 * Where the generator stood that the prior drew from. `rows` images drew `draws` times, each time (rows, ...shape), and
 * these embeddings are one of the rows.
 */
export interface NoiseState {
  readonly seed: number
  readonly rows: number
  readonly row: number
  readonly draws: number
  /** Of one row of one draw: channels, height, width. */
  readonly shape: readonly [number, number, number]
}

/** The parameters of image embeddings. Interpolated ones and those of other programs know less. */
export interface ImageEmbeddingsFacts {
  /** Pixels of the picture that was asked for. */
  readonly width?: number | undefined
  readonly height?: number | undefined
  readonly prompt?: string | undefined
  readonly negativePrompt?: string | undefined
  /** How both are written; plain if it is not known. */
  readonly promptSyntax?: PromptSyntax | undefined
  /** Whether long prompts were read in pieces. */
  readonly longPrompts?: 'chunk' | undefined
  /** Which of both were given as prompt embeddings: their texts alone may say something else. */
  readonly promptEmbeddings?: GivenAsEmbeddings | undefined
  /** Name of the model's folder. */
  readonly model?: string | undefined
  readonly noise?: NoiseState | undefined
}

const KEY = 'image_embeddings'

/**
 * What Stage C imagined: what the picture shows, but no pixel of it yet. (1, 16, height / 42.67, width / 42.67), about 37 KB
 * for 1024x1024. Keep it, send it, mix two, and let `decode()` paint it as often as you like.
 */
export class ImageEmbeddings implements FloatTensor {
  readonly shape: readonly [number, number, number, number]
  readonly data: Float32Array

  constructor(
    tensor: FloatTensor,
    /** What is known of them. */
    readonly facts: ImageEmbeddingsFacts = {},
  ) {
    if (typeof facts !== 'object' || facts === null) throw expected('facts', 'an object', facts)
    const { shape, data } = checkTensor('embeddings', tensor, [1, null, null, null])
    this.shape = shape as unknown as readonly [number, number, number, number]
    this.data = data
  }

  /**
   * Between `a` (weight 0) and `b` (weight 1), number by number: they are values, not noise, whose length would have to be
   * kept. The result has what the two agree on, and no noise to go on with: `decode()` draws its own.
   * @throws InvalidArgumentError when the shapes differ or the weight is not from 0 to 1.
   */
  static interpolate(a: ImageEmbeddings, b: ImageEmbeddings, weight: number): ImageEmbeddings {
    for (const [name, value] of Object.entries({ a, b })) {
      if (!(value instanceof ImageEmbeddings)) throw expected(name, 'ImageEmbeddings', value)
    }
    if (!(typeof weight === 'number' && weight >= 0 && weight <= 1)) {
      throw expected('weight', 'a number from 0 to 1', weight)
    }
    if (String(a.shape) !== String(b.shape))
      throw expected('b.shape', `[${a.shape.join(', ')}], as a's`, b.shape)
    const { noise: _a, ...ours } = a.facts
    const { noise: _b, ...theirs } = b.facts
    const agreed = Object.entries(ours).filter(([key, value]) => theirs[key as keyof typeof theirs] === value)
    return new ImageEmbeddings(lerp(a, b, weight), Object.fromEntries(agreed))
  }

  /** As a .safetensors file, which Python reads as well; the facts are in its header. */
  toSafetensors(): Uint8Array {
    return encode({ [KEY]: this }, this.facts)
  }

  /** Writes the whole file or none. */
  async toFile(path: string): Promise<void> {
    await saveFile(checkPath(path), this.toSafetensors())
  }

  /**
   * From `toSafetensors()`, or from a file of one tensor (1, 16, h, w) that another program wrote; float32, float16 or bfloat16.
   * @throws ModelError (WEIGHTS_INVALID) for bytes that are not that.
   */
  static fromSafetensors(bytes: Uint8Array): ImageEmbeddings {
    return read(checkBytes(bytes), 'the bytes')
  }

  /**
   * The same of a file.
   * @throws ModelError (WEIGHTS_INVALID) for a file that is not there or not that, InvalidArgumentError for no path.
   */
  static async fromFile(path: string): Promise<ImageEmbeddings> {
    return read(await readBytes(checkPath(path)), path)
  }
}

function read(bytes: Uint8Array, name: string): ImageEmbeddings {
  const { tensors, facts } = decode(bytes, name)
  const [only] = tensors.values()
  const tensor = tensors.get(KEY) ?? (tensors.size === 1 ? only : undefined)
  if (tensor === undefined) {
    const found = [...tensors.keys()].slice(0, 5).join(', ')
    throw new ModelError(
      'WEIGHTS_INVALID',
      `${name}: Expected one tensor or '${KEY}' but found ${found || 'none'}`,
    )
  }
  try {
    return new ImageEmbeddings(tensor, checkFacts(facts))
  } catch (cause) {
    throw new ModelError('WEIGHTS_INVALID', `${name}: ${(cause as Error).message}`, { cause })
  }
}

/** Files come from anywhere: a fact that is not what it should be is left out. */
function checkFacts({
  width,
  height,
  prompt,
  negativePrompt,
  promptSyntax,
  longPrompts,
  promptEmbeddings,
  model,
  noise,
}: Readonly<Record<string, unknown>>) {
  const side = (value: unknown) => (isInteger(value, 1, 4096) ? value : undefined)
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
  return {
    width: side(width),
    height: side(height),
    prompt: text(prompt),
    negativePrompt: text(negativePrompt),
    promptSyntax: PROMPT_SYNTAXES.find((syntax) => syntax === promptSyntax),
    longPrompts: longPrompts === 'chunk' ? ('chunk' as const) : undefined,
    promptEmbeddings: EMBEDDINGS_GIVEN.find((given) => given === promptEmbeddings),
    model: text(model),
    noise: isNoiseState(noise) ? noise : undefined,
  }
}

function isNoiseState(value: unknown): value is NoiseState {
  const { seed, rows, row, draws, shape } = (value ?? {}) as Record<string, unknown>
  return (
    isInteger(seed, 0, Number.MAX_SAFE_INTEGER) &&
    isInteger(rows, 1, 256) &&
    isInteger(row, 0, rows - 1) &&
    isInteger(draws, 1, 1001) &&
    Array.isArray(shape) &&
    shape.length === 3 &&
    shape.every((size) => isInteger(size, 1, 4096)) &&
    volume(shape) <= 1 << 24
  )
}

function isInteger(value: unknown, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
}
