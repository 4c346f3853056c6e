/** A checkpoint in the hub's layout, as diffusers wrote it: the decoder's repository and the prior's. */

import { join } from 'node:path'
import type { SchedulerConfig } from '../diffusion/scheduler'
import type { ModelGeometry } from '../diffusion/sizes'
import { ModelError, show } from '../errors'
import { absolute } from '../files/absolute'
import { Fields, invalid, readJson } from '../files/json'
import { isThere } from '../files/probe'
import { type Component, type NetworkClass, openComponent } from './component'
import { type Footprint, footprintOf } from './footprint'
import { checkNetworks, geometryOf, textLimits } from './geometry'
import { combinedPrior, findPrior, type PriorFolders } from './prior-folder'

export type { Component, Config, NetworkClass } from './component'

/** A tokenizer's folder, and what its text encoder can take: the arguments of `loadTokenizer`. */
export interface TokenizerFiles {
  readonly folder: string
  readonly maxPositions: number
  readonly vocabularySize: number
  /** Of a text embedding. */
  readonly channels: number
}

/** A checkpoint, read and checked; no weights are read yet. */
export interface ModelFiles {
  /** Absolute paths. */
  readonly decoderFolder: string
  readonly priorFolder: string
  readonly components: {
    readonly priorTextEncoder: Component
    readonly prior: Component
    readonly decoderTextEncoder: Component
    readonly decoder: Component
    readonly vqgan: Component
    /** Ours; a model may have none. */
    readonly previewer?: Component
  }
  /** What a request that does not say is made with. */
  readonly defaults: {
    readonly priorGuidanceScale: number
    /** Null: `DEFAULT_STAGE_C_TIMESTEPS`. */
    readonly priorSteps: number | null
    readonly decoderSteps: number
  }
  readonly tokenizers: { readonly prior: TokenizerFiles; readonly decoder: TokenizerFiles }
  readonly schedulers: { readonly prior: SchedulerConfig; readonly decoder: SchedulerConfig }
  readonly geometry: ModelGeometry
  readonly footprint: Footprint
  readonly constants: ModelConstants
}

interface ModelConstants {
  /** image embeddings = prior latents * latentMean - latentStd */
  readonly latentMean: number
  readonly latentStd: number
  /** Pixels per cell of the prior's grid. */
  readonly resolutionMultiple: number
}

/**
 * Opens a decoder's folder, and its prior's: the one given, or the one that its model card names. `rest` completes a
 * prior that was published alone.
 */
export async function openModel(
  folder: string,
  priorFolder?: string,
  rest?: string,
  variant?: string,
): Promise<ModelFiles> {
  const decoderFolder = absolute(folder)
  const decoderIndex = await readIndex(decoderFolder, [DECODER, COMBINED], ['decoder', 'vqgan', ...COMMON])
  const isCombined = decoderIndex.values._class_name === COMBINED
  // A prior that is asked for by name wins over the one that comes along.
  const combined = isCombined && priorFolder === undefined
  const prior = combined ? combinedPrior(decoderFolder) : await findPrior(decoderFolder, priorFolder, rest)
  const found = prior.folder
  const priorIndex = combined
    ? await readIndex(
        found,
        [COMBINED],
        ['prior', ...COMMON].map((name) => `prior_${name}`),
      )
    : await readIndex(found, [PRIOR], ['prior', ...COMMON])
  const networks = await openNetworks(decoderFolder, prior, variant)
  checkNetworks(networks)
  // Latents per cell of the prior's grid, as diffusers has it: sizes here follow from the pixels instead.
  decoderIndex.number('latent_dim_scale', POSITIVE, 10.67)
  const constants = constantsOf(priorIndex)
  return {
    decoderFolder,
    priorFolder: found,
    components: {
      priorTextEncoder: networks.priorTextEncoder.component,
      prior: networks.prior.component,
      decoderTextEncoder: networks.decoderTextEncoder.component,
      decoder: networks.decoder.component,
      vqgan: networks.vqgan.component,
      ...(networks.previewer && { previewer: networks.previewer.component }),
    },
    tokenizers: {
      prior: tokenizerOf(prior.tokenizer, networks.priorTextEncoder.fields),
      decoder: tokenizerOf(join(decoderFolder, 'tokenizer'), networks.decoderTextEncoder.fields),
    },
    schedulers: {
      prior: await readScheduler(prior.scheduler),
      decoder: await readScheduler(join(decoderFolder, 'scheduler')),
    },
    // Ours, as `_default_size` is: diffusers ignores names that start with an underscore.
    defaults: {
      priorGuidanceScale: priorIndex.number('_default_guidance_scale', { min: 0, max: 100 }, 4),
      priorSteps:
        priorIndex.values._default_steps === undefined ? null : priorIndex.integer('_default_steps', STEPS),
      decoderSteps: decoderIndex.integer('_default_steps', STEPS, 12),
    },
    geometry: geometryOf(networks, constants.resolutionMultiple, defaultSize(decoderIndex)),
    footprint: footprintOf(networks),
    constants,
  }
}

/** The network of a prior, published alone or with its pipeline. */
export async function openPrior(
  decoderFolder: string,
  folder: string,
  rest?: string,
  variant?: string,
): Promise<Component> {
  const { network } = await findPrior(absolute(decoderFolder), folder, rest)
  return (await openComponent(network, 'WuerstchenPrior', variant)).component
}

async function openNetworks(decoderFolder: string, prior: PriorFolders, variant?: string) {
  const open = (folder: string, networkClass: NetworkClass) => openComponent(folder, networkClass, variant)
  return {
    priorTextEncoder: await open(prior.textEncoder, 'CLIPTextModel'),
    prior: await open(prior.network, 'WuerstchenPrior'),
    decoderTextEncoder: await open(join(decoderFolder, 'text_encoder'), 'CLIPTextModel'),
    decoder: await open(join(decoderFolder, 'decoder'), 'WuerstchenDiffNeXt'),
    vqgan: await open(join(decoderFolder, 'vqgan'), 'PaellaVQModel'),
    previewer: isThere(join(decoderFolder, 'previewer'))
      ? await open(join(decoderFolder, 'previewer'), 'WuerstchenPreviewer')
      : null,
  }
}

const DECODER = 'WuerstchenDecoderPipeline'
const PRIOR = 'WuerstchenPriorPipeline'
/** Both halves in one folder, as diffusers' combined pipeline saves them. */
const COMBINED = 'WuerstchenCombinedPipeline'
/** What each half has. */
const COMMON = ['text_encoder', 'scheduler']

/** The classes that model_index.json may name; the library beside them has had three spellings, which say nothing. */
const CLASSES: Readonly<Record<string, string>> = {
  decoder: 'WuerstchenDiffNeXt',
  vqgan: 'PaellaVQModel',
  prior: 'WuerstchenPrior',
  text_encoder: 'CLIPTextModel',
  scheduler: 'DDPMWuerstchenScheduler',
}

async function readIndex(
  folder: string,
  pipelines: readonly string[],
  parts: readonly string[],
): Promise<Fields> {
  const file = join(folder, 'model_index.json')
  if (!isThere(file)) {
    throw new ModelError(
      'MODEL_NOT_FOUND',
      `Expected ${file} but found none. A model is a folder in the hub's layout.`,
    )
  }
  const fields = new Fields(file, await readJson(file))
  const stated = fields.values._class_name
  if (!pipelines.includes(String(stated))) throw fields.wrong('_class_name', pipelines.join(' or '), stated)
  for (const name of parts) checkIndexEntry(fields, name)
  return fields
}

/** ["wuerstchen", "WuerstchenPrior"], ["diffusers", …] or ["diffusers.pipelines.…", …] */
function checkIndexEntry(fields: Fields, name: string): void {
  const entry = fields.values[name]
  const known = CLASSES[name.replace(/^prior_/, '')] as string
  if (!Array.isArray(entry) || typeof entry[0] !== 'string' || entry[1] !== known) {
    throw fields.wrong(name, `[library, '${known}']`, entry)
  }
}

const STEPS = { min: 1, max: 1000 }
const POSITIVE = { min: 1e-6, max: 1e6 }

/** Defaults are those of diffusers' pipelines. */
function constantsOf(prior: Fields): ModelConstants {
  return {
    latentMean: prior.number('latent_mean', POSITIVE, 42),
    latentStd: prior.number('latent_std', { min: -1e6, max: 1e6 }, 1),
    resolutionMultiple: prior.number('resolution_multiple', { min: 1, max: 4096 }, 42.67),
  }
}

/** `_default_size: [width, height]` is ours: a small model says what it was trained on. */
function defaultSize({ file, values }: Fields): readonly [number, number] {
  const stated = values._default_size ?? [1024, 1024]
  const isSide = (side: unknown) =>
    Number.isInteger(side) && (side as number) >= 64 && (side as number) <= 4096
  if (Array.isArray(stated) && stated.length === 2 && stated.every(isSide)) return stated as [number, number]
  throw invalid(file, `Expected _default_size to be [width, height] but found ${show(stated)}`)
}

async function readScheduler(folder: string): Promise<SchedulerConfig> {
  const file = join(folder, 'scheduler_config.json')
  const fields = new Fields(file, await readJson(file))
  const stated = fields.values._class_name ?? CLASSES.scheduler
  if (stated !== CLASSES.scheduler) throw fields.wrong('_class_name', CLASSES.scheduler as string, stated)
  return {
    scaler: fields.number('scaler', { min: 1e-3, max: 1e3 }, 1),
    s: fields.number('s', { min: 0, max: 1 }, 0.008),
  }
}

function tokenizerOf(folder: string, textEncoder: Fields): TokenizerFiles {
  if (!isThere(folder)) throw invalid(folder, 'Expected a folder with tokenizer.json but found none')
  return { folder, ...textLimits(textEncoder) }
}
