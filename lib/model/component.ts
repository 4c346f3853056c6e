/** One network's folder in the hub's layout: its config and the files of its weights. */

import { basename, join } from 'node:path'
import { warn } from '../checks/warn'
import { Fields, invalid, type JsonObject, readJson } from '../files/json'
import { isThere } from '../files/probe'
import { readShardIndex } from './safetensors'

export type NetworkClass =
  | 'CLIPTextModel'
  | 'WuerstchenPrior'
  | 'WuerstchenDiffNeXt'
  | 'PaellaVQModel'
  | 'WuerstchenPreviewer' // ours: the hub has none
export type Config = JsonObject

/** One network of a checkpoint. */
export interface Component {
  readonly class: NetworkClass
  readonly config: Config
  /** Absolute paths of its .safetensors files, one or its shards. */
  readonly weightFiles: readonly string[]
}

/** A component with its config's fields, for those who check them. */
export interface OpenedComponent {
  readonly component: Component
  readonly fields: Fields
}

/** Reads one component. `folder` is named as the hub names it, for example `prior/text_encoder`. */
export async function openComponent(
  folder: string,
  networkClass: NetworkClass,
  variant?: string,
): Promise<OpenedComponent> {
  const file = join(folder, 'config.json')
  const config = await readJson(file)
  checkClass(config, networkClass, file)
  const weightFiles = await findWeights(folder, networkClass, variant)
  return { component: { class: networkClass, config, weightFiles }, fields: new Fields(file, config) }
}

/** diffusers writes _class_name, transformers a list of architectures; older files may have neither. */
function checkClass(config: Config, networkClass: NetworkClass, file: string): void {
  const architectures = Array.isArray(config.architectures) ? config.architectures : []
  const stated = config._class_name ?? architectures[0]
  if (stated === undefined || stated === networkClass) return
  // Copied out of a whole CLIP by hand, the config keeps that name; the weights will tell whether it is right.
  if (
    networkClass === 'CLIPTextModel' &&
    ['CLIPModel', 'CLIPTextModelWithProjection'].includes(String(stated))
  )
    return
  throw new Fields(file, config).wrong('the class', networkClass, stated)
}

/** transformers and diffusers name the same thing differently. */
function weightNames(networkClass: NetworkClass): readonly [string, string] {
  return networkClass === 'CLIPTextModel'
    ? ['model', 'pytorch_model']
    : ['diffusion_pytorch_model', 'diffusion_pytorch_model']
}

/** The variant's files where there are any, else the plain ones; whoever asked for others is told. */
async function findWeights(
  folder: string,
  networkClass: NetworkClass,
  variant: string | undefined,
): Promise<readonly string[]> {
  const [name] = weightNames(networkClass)
  if (variant === undefined) return findPlain(folder, networkClass)
  const wanted = join(folder, `${name}.${variant}.safetensors`)
  if (isThere(wanted)) return [wanted]
  const index = join(folder, `${name}.safetensors.index.${variant}.json`)
  if (isThere(index)) return findShards(index)
  const plain = await findPlain(folder, networkClass)
  warn(
    `${folder} has no weights of the variant '${variant}': took ${plain.map((file) => basename(file)).join(', ')}.`,
  )
  return plain
}

async function findPlain(folder: string, networkClass: NetworkClass): Promise<readonly string[]> {
  const [name, pickled] = weightNames(networkClass)
  const whole = join(folder, `${name}.safetensors`)
  if (isThere(whole)) return [whole]
  const index = `${whole}.index.json`
  if (isThere(index)) return findShards(index)
  const half = join(folder, `${name}.fp16.safetensors`)
  if (isThere(half)) {
    warn(`${folder} has no ${name}.safetensors: took ${name}.fp16.safetensors, which is there.`)
    return [half]
  }
  const bin = join(folder, `${pickled}.bin`)
  const hint = isThere(bin) ? ` Found ${bin}: convert it to safetensors, other formats are not read.` : ''
  throw invalid(folder, `Expected ${name}.safetensors but found none.${hint}`)
}

async function findShards(index: string): Promise<readonly string[]> {
  const shards = await readShardIndex(index)
  const missing = shards.find((shard) => !isThere(shard))
  if (missing !== undefined) throw invalid(index, `Expected ${missing} beside it but found none`)
  return shards
}
