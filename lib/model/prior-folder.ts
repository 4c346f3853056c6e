/** Where the prior of a decoder lies: two repositories on the hub, two folders here. */

import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ModelError, show } from '../errors'
import { readTextIfAny } from '../json'
import { priorOfCard } from './model-card'

/** The folder given, or the one that the decoder's model card names. */
export async function findPrior(decoderFolder: string, given: string | undefined): Promise<string> {
  if (given !== undefined) return checkPrior(resolve(given), `the prior's folder ${resolve(given)}`)
  const card = await readTextIfAny(join(decoderFolder, 'README.md'))
  const named = card === null ? null : priorOfCard(card)
  if (named === null) {
    throw notFound(
      `${decoderFolder} is a decoder, and no README.md in it names its prior (the key prior: of the YAML header).`,
      [],
    )
  }
  const places = placesOf(named, decoderFolder)
  const found = places.find(existsSync)
  if (found === undefined)
    throw notFound(`The model card of ${decoderFolder} names the prior ${show(named)}.`, places)
  return checkPrior(found, `the prior's folder ${found}`)
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
    `${what}${looked} Name the prior's folder with the option prior.`,
    {
      details: { places },
    },
  )
}

function checkPrior(folder: string, what: string): string {
  if (!existsSync(folder)) throw new ModelError('MODEL_NOT_FOUND', `Expected ${what} to exist but found none`)
  if (existsSync(join(folder, 'prior', 'config.json'))) return folder
  if (existsSync(join(folder, 'config.json'))) {
    throw new ModelError(
      'MODEL_INVALID',
      `${folder}: Expected a prior's repository with prior/, scheduler/, text_encoder/ and tokenizer/ but found the prior ` +
        'network alone. Put its files into the folder prior/ of a complete prior repository of the same size.',
      { details: { folder } },
    )
  }
  throw new ModelError('MODEL_INVALID', `${folder}: Expected prior/config.json but found none`, {
    details: { folder },
  })
}
