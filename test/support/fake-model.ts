import type { Model } from '../../lib/memory/loaded-model'
import { Maps } from '../../lib/memory/maps'
import { Memory } from '../../lib/memory/memory'
import { Residency } from '../../lib/memory/residency'
import type { GenerateProgress, Request } from '../../lib/request/request'
import { Decoder } from '../../lib/stages/decoder'
import { PixelDecoder } from '../../lib/stages/pixel-decoder'
import { Prior } from '../../lib/stages/prior'
import { TextEncoder } from '../../lib/stages/text-encoder'
import { FakeDevice, FakeGraph } from './fake-device'

export function fakeModel(device = new FakeDevice()): Model & { readonly device: FakeDevice } {
  const scheduler = { scaler: 1, s: 0.008 }
  return {
    device,
    priorTextEncoder: new TextEncoder(device, new FakeGraph('priorTextEncoder')),
    prior: new Prior(device, new FakeGraph('prior'), scheduler, 'float32'),
    decoderTextEncoder: new TextEncoder(device, new FakeGraph('decoderTextEncoder')),
    decoder: new Decoder(device, new FakeGraph('decoder'), scheduler, 'float32'),
    vqgan: new PixelDecoder(device, new FakeGraph('vqgan')),
    previewer: new PixelDecoder(device, new FakeGraph('previewer')),
    rounding: 'float32',
    latentMean: 42,
    latentStd: 1,
    priorChannels: 16,
    latentChannels: 4,
    offload: 'none',
    records: false,
    kept: {},
    memory: fakeMemory(device),
  }
}

/** No weights; a byte for each channel of a cell, roughly. */
export function fakeMemory(device: FakeDevice, limit: number | null = null): Memory {
  const footprint = {
    prior: { channels: 1, attentions: 1 },
    decoder: {
      levels: [{ channels: 1, scale: 1 }],
      imageChannels: 0,
      mapChannels: 0,
      maps: [true],
      attentionChannels: 0,
    },
    vqgan: { levels: [{ channels: 1, scale: 1 }], blocks: 0 },
  }
  const graph = { numberBytes: 4, kernels: false, threads: 2 }
  const maps = new Maps(footprint, { prior: graph, decoder: graph, vqgan: graph })
  const none = { prior: [], decoder: [], vqgan: [] }
  return new Memory(new Residency(device, 'none'), none, maps, limit)
}

export interface FakeRequestOptions {
  readonly part?: Request['part']
  readonly priority?: number
  readonly timeoutMs?: number
  readonly prompt?: string
  readonly images?: number
  readonly seed?: number
  readonly priorSteps?: number
  readonly decoderSteps?: number
  readonly priorGuidanceScale?: number
  readonly decoderGuidanceScale?: number
  /** Latents of the decoder are this large on each side. */
  readonly size?: number
  /** Unless they are less high than wide. */
  readonly latentHeight?: number
  readonly previewEvery?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: GenerateProgress) => void
}

/** A request as `parseRequest` would make it, small. */
export function fakeRequest(options: FakeRequestOptions = {}): Request {
  const { prompt = 'a red circle', images = 1, seed = 1, size = 4 } = options
  const stage = (steps: number, guidanceScale: number) => ({
    timesteps: Array.from({ length: steps + 1 }, (_, index) => 1 - index / steps),
    guidanceScale,
    guided: guidanceScale > 1,
  })
  const tokens = (text: string) => ({
    ids: Int32Array.from(text, (letter) => letter.charCodeAt(0)).slice(0, 8),
    mask: new Int32Array(8).fill(1),
    truncated: null,
  })
  const pixels = size * 4
  return {
    part: options.part ?? 'generate',
    images: Array.from({ length: images }, (_, index) => ({
      index,
      prompt,
      negativePrompt: 'blurry',
      words: [],
      promptKey: prompt,
      negativeKey: 'blurry',
      embeddings:
        options.part === 'decode' ? { shape: [1, 16, 2, 2], data: new Float32Array(64).fill(index) } : null,
      seed,
      noiseStream: 0,
      noiseRow: index,
    })),
    prompts: [prompt, 'blurry'].map((text) => ({
      key: text,
      text,
      prior: tokens(text.padEnd(8)),
      decoder: tokens(text.padEnd(8)),
      truncated: [],
      words: [],
    })),
    reading: { syntax: 'plain', longPrompts: 'truncate' },
    streams: [{ seed, rows: images }],
    width: pixels,
    height: pixels,
    sizes: {
      pixelWidth: pixels,
      pixelHeight: pixels,
      priorWidth: 2,
      priorHeight: 2,
      latentWidth: size,
      latentHeight: options.latentHeight ?? size,
      crop: { left: 0, top: 0, width: pixels, height: pixels },
    },
    prior: stage(options.priorSteps ?? 3, options.priorGuidanceScale ?? 4),
    decoder: stage(options.decoderSteps ?? 2, options.decoderGuidanceScale ?? 0),
    warnings: [],
    truncated: [],
    loras: [],
    priority: options.priority ?? 0,
    timeoutMs: options.timeoutMs,
    signal: options.signal,
    onProgress: options.onProgress,
    previewEvery: options.previewEvery ?? 0,
    onPreview: undefined,
  }
}
