import { checkNames } from '../checks/names'
import * as check from '../checks/values'
import { PromptEmbeddings } from '../embeddings/prompt-embeddings'
import { Engine } from '../engine/engine'
import { type Executor, Fleet } from '../engine/fleet'
import type { PipelineStatistics } from '../engine/statistics'
import { bug } from '../errors'
import type { ImageMetadata } from '../image/metadata'
import type { Loras } from '../loading/loras'
import { type Memory, type PipelineMemory, sumOf } from '../memory/memory'
import { pictureOf } from '../memory/picture'
import { readLora } from '../model/lora'
import {
  type DecodeOptions,
  type EncodeOptions,
  type GenerateOptions,
  type PriorOptions,
  type Prompt,
  parseDecodeRequest,
  parseEncodeOptions,
  parsePriorRequest,
  parseRequest,
  type Request,
  type RequestModel,
  readPrompt,
} from '../request/request'
import type { FloatTensor } from '../tensors/float-tensor'
import type { ModelName } from './locate'
import { type LoraInfo, type LoraOptions, readLoraOptions, readLoraScales } from './lora-options'
import type { PipelineOptions } from './options'
import { loadPretrained, type PipelineInfo } from './pretrained'
import { type GenerateResult, type PriorResult, Results } from './results'
import { settled } from './settled-executor'
import { type StreamEvent, streamed } from './stream'
import {
  readInversion,
  type TextualInversionInfo,
  type TextualInversionOptions,
  TextualInversions,
} from './textual-inversions'

/**
 * Text to image. One pipeline serves any number of requests at once: they share batches, and none changes another.
 *
 * ```ts
 * await using pipeline = await WuerstchenPipeline.fromPretrained()
 * const { images } = await pipeline.generate('a red circle above a blue square', { seed: 7 })
 * await images[0].toFile('shapes.png')
 * ```
 */
export class WuerstchenPipeline {
  private isDisposed = false
  private readonly results: Results

  private constructor(
    private readonly engine: Executor,
    private readonly model: RequestModel,
    /** What this pipeline runs on. */
    readonly info: PipelineInfo,
    private readonly adapters: Loras,
    private readonly memories: readonly Memory[],
    private readonly words: TextualInversions | null = null,
  ) {
    this.results = new Results(info)
  }

  /** @internal From parts that are loaded already. */
  static of(
    engine: Executor,
    model: RequestModel,
    info: PipelineInfo,
    adapters: Loras,
    memories: readonly Memory[],
  ): WuerstchenPipeline {
    return new WuerstchenPipeline(engine, model, info, adapters, memories)
  }

  /**
   * Loads a model.
   * @param name a decoder's folder in the hub's layout, whose model card names its prior. Or an id on the hub, a `file:` URL, or
   * what `pullModel()` returned. Defaults to the small model that comes with the package.
   * @throws InvalidArgumentError for an option out of range. ModelError for a folder that cannot be used. HubError and
   * DownloadError for a model that cannot be fetched. LibtorchError when the native half cannot run here. DeviceError for a
   * device this machine does not have. OutOfMemoryError where the weights find no room. Rejects with the signal's reason when
   * it aborts.
   */
  static async fromPretrained(name?: ModelName, options: PipelineOptions = {}): Promise<WuerstchenPipeline> {
    const { models, requests, info, loras, readers, options: checked } = await loadPretrained(name, options)
    const limits = { maxRows: checked.maxBatchRows, maxQueue: checked.maxQueue }
    const [first, ...others] = models.map((one) => new Engine(one, limits)) as [Engine, ...Engine[]]
    const executor = others.length === 0 ? first : new Fleet([first, ...others])
    const memories = models.map(({ memory }) => memory)
    const words = new TextualInversions(loras, readers)
    const model = {
      ...requests,
      words: () => words.list.map(({ token }) => token),
      changing: () => executor.changing,
    }
    return new WuerstchenPipeline(settled(executor, loras), model, info, loras, memories, words)
  }

  /**
   * Makes one image per prompt, or `numImagesPerPrompt`. Given the parameters that `readParameters()` read of a picture, makes that
   * picture again, with the changes of `options`.
   * @throws InvalidArgumentError, PromptSyntaxError and MemoryLimitError before anything is queued; QueueFullError;
   * TimeoutError; DisposedError; OutOfMemoryError; GenerationError. Rejects with the signal's reason when it aborts, and with
   * whatever `onProgress` throws.
   */
  async generate(
    prompt: Prompt | readonly Prompt[] | ImageMetadata,
    options?: GenerateOptions,
  ): Promise<GenerateResult> {
    return this.pictures(parseRequest(prompt, options, this.model))
  }

  /**
   * The first half: what the pictures will show, in a few kilobytes each. `decode()` makes pictures of it, now or later, here
   * or elsewhere, as often as you like.
   * @throws and rejects as `generate()` does.
   */
  async prior(prompt: Prompt | readonly Prompt[], options?: PriorOptions): Promise<PriorResult> {
    const request = parsePriorRequest(prompt, options, this.model)
    const finished = await this.engine.submit(request, this.results.telling(request))
    return this.results.embeddings(request, finished)
  }

  /**
   * The second half: pictures of image embeddings, of `prior()`, of a file, or of any other source; several of one call
   * have one shape. Without a `seed` each goes on with the noise of its `prior()`, so that the two halves make the very
   * picture of `generate()`. With one they start from that, as a second generator does in diffusers.
   * @throws and rejects as `generate()` does.
   */
  async decode(
    embeddings: FloatTensor | readonly FloatTensor[],
    options?: DecodeOptions,
  ): Promise<GenerateResult> {
    return this.pictures(parseDecodeRequest(embeddings, options, this.model))
  }

  /**
   * What the text encoders make of a text: to keep, to mix, to change, and to pass wherever a prompt is expected. It counts
   * as one image of `maxQueue`.
   * @param options `promptSyntax` and `longPrompts` as for `generate()`; long prompts read in pieces make longer embeddings.
   * @throws InvalidArgumentError, PromptSyntaxError, QueueFullError, TimeoutError, DisposedError; rejects with the signal's
   * reason when it aborts.
   */
  async encodePrompt(prompt: string, options?: EncodeOptions): Promise<PromptEmbeddings> {
    const { timeoutMs, signal, ...reading } = parseEncodeOptions(options)
    let read = readPrompt(prompt, reading, this.model, !this.engine.changing)
    const reread = () => {
      read = readPrompt(prompt, reading, this.model)
      return read
    }
    const { prior, decoder } = read
    const tensors = await this.engine.embed({ prior, decoder, reread, timeoutMs, signal })
    return new PromptEmbeddings(tensors, read.text, read.truncated)
  }

  /**
   * The same as events: `queued`, then `step`s, and each `image` as soon as it is finished. Nothing starts before the
   * first event is read; leaving the loop aborts what is left. Errors are thrown into the loop.
   */
  async *stream(
    prompt: Prompt | readonly Prompt[],
    options?: GenerateOptions,
  ): AsyncGenerator<StreamEvent, void, void> {
    const parsed = parseRequest(prompt, options, this.model)
    yield* streamed(parsed, (request, events) =>
      this.engine.submit(request, this.results.streaming(parsed, events)),
    )
  }

  /**
   * What it did since it was loaded, and what waits. The diagnostics channels `wuerstchen:turn` and `wuerstchen:request` tell
   * as it happens.
   */
  get statistics(): PipelineStatistics {
    return this.engine.statistics
  }

  /**
   * Bytes of weights and tensors by stage, summed over devices. They are those held now, held at most so far, and predicted for
   * one picture of the given size. Node and libtorch themselves are not in it.
   * @param options as for `generate()`; sizes, guidance and prompts alone play a part.
   */
  memory(options?: GenerateOptions): PipelineMemory {
    const picture = pictureOf(parseRequest('any', options, this.model))
    return sumOf(this.memories.map((memory) => memory.report(picture)))
  }

  /** The LoRAs at work, in the order of their loading. */
  get loras(): readonly LoraInfo[] {
    return this.adapters.list.map(({ name, scale }) => ({ name, scale }))
  }

  /**
   * Adds a LoRA to the weights of the prior, its text encoder or the decoder. Requests that came before this call are finished
   * without it; later ones wait for it.
   * @param path a .safetensors file as diffusers, peft or kohya write them.
   * @param options `name`: how to call it, by default the file's; `scale`: what its changes are multiplied by, -100 to 100, by
   * default 1.
   * @throws ModelError naming what does not fit, InvalidArgumentError, DisposedError; then nothing has changed.
   */
  async loadLora(path: string, options: LoraOptions = {}): Promise<void> {
    const { name, scale } = readLoraOptions(path, options)
    await this.change(readLora(path, this.adapters.parameters), (changes) =>
      this.adapters.add({ name, file: changes[0]?.up.file ?? path, scale, changes }),
    )
  }

  /**
   * Other scales for loaded LoRAs, by name; in its turn, as `loadLora()`. Those that are not named keep theirs.
   * @param scales each from -100 to 100; 0 is off.
   * @throws InvalidArgumentError for a name that is not loaded or a scale out of range, DisposedError; then nothing has changed.
   */
  async setLoraScales(scales: Readonly<Record<string, number>>): Promise<void> {
    const checked = readLoraScales(scales)
    if (this.isSettled) this.adapters.check([...checked.keys()], 'scales')
    await this.engine.exclusive(() => this.adapters.rescale(checked))
  }

  /**
   * Removes a LoRA, in its turn, as `loadLora()`: the weights are bit for bit what they were without it.
   * @throws InvalidArgumentError for a name that is not loaded, DisposedError; then nothing has changed.
   */
  async unloadLora(name: string): Promise<void> {
    if (this.isSettled) this.adapters.check([name], 'name')
    await this.engine.exclusive(() => this.adapters.remove(name))
  }

  /** The words that were learnt by textual inversion, in the order of their loading. */
  get textualInversions(): readonly TextualInversionInfo[] {
    return this.words?.list ?? []
  }

  /**
   * Teaches prompts a word: one vector or several, for either text encoder or both. Requests that came before this call are
   * finished without it; later ones wait for it.
   * @param path a .safetensors file as diffusers or AUTOMATIC1111's web UI write them.
   * @param options `token`: the word, by default the file's own; `encoder`: whose vectors they are where their size does not say.
   * @throws ModelError for vectors of another size, InvalidArgumentError, DisposedError; then nothing has changed.
   */
  async loadTextualInversion(path: string, options: TextualInversionOptions = {}): Promise<void> {
    await this.change(readInversion(path, options, this.model.tokenizers), (read) =>
      this.learning().add(read),
    )
  }

  /**
   * Removes a word, in its turn, as `loadTextualInversion()`: prompts read it as text again, and the weights are bit for bit
   * what they were.
   * @throws InvalidArgumentError for a word that is not loaded, DisposedError; then nothing has changed.
   */
  async unloadTextualInversion(token: string): Promise<void> {
    if (this.isSettled) this.learning().check(token)
    await this.engine.exclusive(() => this.learning().remove(token))
  }

  /** Takes its place in the order of arrival at once, and tells at once of a file that cannot be read. */
  private async change<Read>(reading: Promise<Read>, apply: (read: Read) => Promise<void>): Promise<void> {
    await Promise.all([reading, this.engine.exclusive(async () => apply(await reading))])
  }

  /** Whether a name that nothing has now will not be there in its turn either. */
  private get isSettled(): boolean {
    return !this.isDisposed && !this.engine.changing
  }

  private learning(): TextualInversions {
    if (this.words === null) throw bug('Expected a pipeline whose tokenizers can learn.')
    return this.words
  }

  /**
   * Takes no more requests and frees weights and device. What is unfinished is rejected with DisposedError as soon as the
   * step under way ends, or finished first with `{ drain: true }`. Safe twice, and from callbacks; a second call without
   * `drain` ends a first one that drains.
   */
  async dispose(options: { readonly drain?: boolean } = {}): Promise<void> {
    checkNames(options, ['drain'])
    const { drain = false } = options
    check.boolean('drain', drain)
    this.isDisposed = true
    await this.engine.dispose({ drain })
    await this.words?.dispose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  private async pictures(request: Request): Promise<GenerateResult> {
    const finished = await this.engine.submit(request, this.results.telling(request))
    return this.results.pictures(request, finished)
  }
}
