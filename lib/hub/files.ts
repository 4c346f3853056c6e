/** What of a repository is needed: the fp32 safetensors and the configs, never their pickled or half-precision twins. */

import { ModelError } from '../errors'
import { isNetwork, isScheduler, isTokenizer } from './parts'

/** One file of a repository, as the hub lists it. */
export interface RemoteFile {
  /** With forward slashes, below the repository's root. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** Names the blob in the cache: the sha256 of a large file, git's own hash (sha1) of a small one. */
  readonly etag: string
}

const WEIGHTS = /^(diffusion_pytorch_model|model)(-\d{5}-of-\d{5})?\.safetensors$/
const SHARDED = /^(diffusion_pytorch_model|model)\.safetensors\.index\.json$/
const TOKENIZER = /^(tokenizer|tokenizer_config|special_tokens_map|vocab|added_tokens)\.json$|^merges\.txt$/

/** The pipeline of a repository: a decoder's or a prior's. A bare prior is a network alone, at the root. */
export function neededFiles(
  repository: string,
  listed: readonly RemoteFile[],
  variant?: string,
): readonly RemoteFile[] {
  const needed = withoutTwins(ofVariant(listed, variant).filter(({ path }) => isNeeded(path, variant)))
  if (!needed.some(({ path }) => path === 'model_index.json' || path === 'config.json')) {
    throw unusable(repository, 'Expected model_index.json but the repository has none')
  }
  for (const folder of new Set(needed.filter(({ path }) => path.endsWith('config.json')).map(folderOf))) {
    if (!isNetwork(folder) && folder !== '') continue
    if (folder === '' && needed.some(({ path }) => path === 'model_index.json')) continue
    const found = needed.some((file) => folderOf(file) === folder && file.path.endsWith('.safetensors'))
    if (!found) throw noSafetensors(repository, folder, listed)
  }
  return needed
}

/** A network's folder that has weights of the variant brings those alone. */
function ofVariant(files: readonly RemoteFile[], variant: string | undefined): readonly RemoteFile[] {
  if (variant === undefined) return files
  const own = files.filter(({ path }) => isVariant(nameOf(path), variant))
  const folders = new Set(own.map(folderOf))
  return files.filter((file) => !folders.has(folderOf(file)) || !isWeights(nameOf(file.path)))
}

/** `model.fp16.safetensors`, and both spellings of its shards. */
function isVariant(name: string, variant: string): boolean {
  const plain = name
    .replace(`.${variant}.safetensors`, '.safetensors')
    .replace(`.index.${variant}.json`, '.index.json')
  return plain !== name && isWeights(plain)
}

const nameOf = (path: string) => path.split('/').at(-1) as string

function isNeeded(path: string, variant: string | undefined): boolean {
  const parts = path.split('/')
  const name = parts.at(-1) as string
  const isOurs = isWeights(name) || (variant !== undefined && isVariant(name, variant))
  if (parts.length === 1) return ['model_index.json', 'README.md', 'config.json'].includes(name) || isOurs
  const folder = parts[0] as string
  if (parts.length > 2) return false
  if (isScheduler(folder)) return name === 'scheduler_config.json'
  if (isTokenizer(folder)) return TOKENIZER.test(name)
  return isNetwork(folder) && (name === 'config.json' || isOurs)
}

function isWeights(name: string): boolean {
  return WEIGHTS.test(name) || SHARDED.test(name)
}

/** Whole files win over shards, and weights at the root count only where there is no pipeline. */
function withoutTwins(files: readonly RemoteFile[]): readonly RemoteFile[] {
  const paths = new Set(files.map(({ path }) => path))
  const pipeline = paths.has('model_index.json')
  return files.filter(({ path }) => {
    if (pipeline && !path.includes('/')) return path === 'model_index.json' || path === 'README.md'
    const whole = path.replace(/(-\d{5}-of-\d{5})\.safetensors$|\.safetensors\.index\.json$/, '.safetensors')
    return whole === path || !paths.has(whole)
  })
}

function folderOf({ path }: RemoteFile): string {
  return path.includes('/') ? (path.split('/')[0] as string) : ''
}

function noSafetensors(repository: string, folder: string, listed: readonly RemoteFile[]): ModelError {
  const pickled = listed.find((file) => folderOf(file) === folder && file.path.endsWith('.bin'))
  const hint = pickled ? ` It has ${pickled.path}, which is not read: convert it to safetensors.` : ''
  return unusable(
    repository,
    `Expected .safetensors weights in ${folder || 'its root'} but found none.${hint}`,
  )
}

export function unusable(repository: string, what: string): ModelError {
  return new ModelError('MODEL_INVALID', `${repository}: ${what}`, { details: { repository } })
}
