/** Where the prior of a decoder lies: two repositories on the hub, two folders here. */

import { dirname, join } from 'node:path'
import { ModelError, show } from '../errors'
import { absolute } from '../files/absolute'
import { readTextIfAny } from '../files/json'
import { isThere } from '../files/probe'
import { priorOfCard } from './model-card'

/** Where the parts of a prior lie. */
export interface PriorFolders {
  /** The one with model_index.json, which has the prior's numbers. */
  readonly folder: string
  /** In that folder or, for a prior that was published alone, elsewhere. */
  readonly network: string
  readonly textEncoder: string
  readonly tokenizer: string
  readonly scheduler: string
}

/** The prior of a combined pipeline: its folders stand beside the decoder's, under names of their own. */
export function combinedPrior(folder: string): PriorFolders {
  const network = join(folder, 'prior_prior')
  if (!isThere(join(network, 'config.json'))) throw withoutNetwork(folder, 'prior_prior')
  return partsOf(folder, network, 'prior_')
}

function partsOf(folder: string, network: string, prefix = ''): PriorFolders {
  const part = (name: string) => join(folder, `${prefix}${name}`)
  return {
    folder,
    network,
    textEncoder: part('text_encoder'),
    tokenizer: part('tokenizer'),
    scheduler: part('scheduler'),
  }
}

/**
 * The folder given, or the one that the decoder's model card names. A folder with a prior's network alone (config.json and
 * weights, as the base and finetuned priors were published) takes all else from the one that the card names.
 */
export async function findPrior(decoderFolder: string, given?: string, rest?: string): Promise<PriorFolders> {
  if (given === undefined) return whole(await priorOfDecoder(decoderFolder))
  const folder = absolute(given)
  if (!isThere(folder)) throw missing(folder)
  if (!isBarePrior(folder)) return whole(folder)
  return { ...whole(rest ?? (await priorOfDecoder(decoderFolder))), network: folder }
}

/** A prior's network without the pipeline around it. */
export function isBarePrior(folder: string): boolean {
  return !isThere(join(folder, 'model_index.json')) && isThere(join(folder, 'config.json'))
}

async function priorOfDecoder(decoderFolder: string): Promise<string> {
  const named = await namedPrior(decoderFolder)
  if (named === null) {
    throw notFound(
      `${decoderFolder} is a decoder, and no README.md in it names its prior (the key prior: of the YAML header).`,
      [],
    )
  }
  const places = placesOf(named, decoderFolder)
  const found = places.find(isThere)
  if (found === undefined)
    throw notFound(`The model card of ${decoderFolder} names the prior ${show(named)}.`, places)
  return found
}

/** What the decoder's model card calls its prior: the id of a repository. */
export async function namedPrior(decoderFolder: string): Promise<string | null> {
  const card = await readTextIfAny(join(decoderFolder, 'README.md'))
  return card === null ? null : priorOfCard(card)
}

/** `warp-ai/wuerstchen-prior`: beside the decoder, under its whole id or the last part of it. */
function placesOf(named: string, decoderFolder: string): readonly string[] {
  const parts = named.split('/')
  // A card comes with the download: it must not lead anywhere else.
  if (parts.length > 2 || !parts.every((part) => /^\w[\w.-]*$/.test(part))) return []
  const parent = dirname(decoderFolder)
  return Array.from(new Set([join(parent, ...parts), join(parent, parts.at(-1) as string)]))
}

function notFound(what: string, places: readonly string[]): ModelError {
  const looked = places.length > 0 ? ` Looked in ${places.join(', ')}.` : ''
  return new ModelError(
    'MODEL_NOT_FOUND',
    `${what}${looked} Name the prior's folder, or its id on the hub, with the option prior.`,
    { details: { places } },
  )
}

function missing(folder: string): ModelError {
  return new ModelError('MODEL_NOT_FOUND', `Expected the prior's folder ${folder} to exist but found none`)
}

function whole(folder: string): PriorFolders {
  const network = join(folder, 'prior')
  if (isThere(join(network, 'config.json'))) return partsOf(folder, network)
  throw withoutNetwork(folder, 'prior')
}

function withoutNetwork(folder: string, name: string): ModelError {
  return new ModelError('MODEL_INVALID', `${folder}: Expected ${name}/config.json but found none`, {
    details: { folder },
  })
}
