/** A small decoder's repository, and what it takes to fetch it from a hub on loopback. */
import { join } from 'node:path'
import type { HubSettings } from '../../lib/hub/settings'
import type { SnapshotOptions } from '../../lib/hub/snapshot'
import { download } from './downloads'
import type { Repository } from './loopback-hub'

export const ID = 'tests/decoder'

export const SMALL: Repository = {
  'model_index.json': Buffer.from(
    JSON.stringify({
      _class_name: 'WuerstchenDecoderPipeline',
      decoder: ['wuerstchen', 'WuerstchenDiffNeXt'],
      vqgan: ['wuerstchen', 'PaellaVQModel'],
      text_encoder: ['transformers', 'CLIPTextModel'],
      tokenizer: ['transformers', 'CLIPTokenizerFast'],
      scheduler: ['diffusers', 'DDPMWuerstchenScheduler'],
    }),
  ),
  'README.md': Buffer.from('---\nprior: tests/prior\n---\n'),
  'decoder/config.json': Buffer.from('{}'),
  'decoder/diffusion_pytorch_model.safetensors': Buffer.from('decoder'),
  'vqgan/config.json': Buffer.from('{"a": 1}'),
  'vqgan/diffusion_pytorch_model.safetensors': Buffer.from('vqgan'),
  'text_encoder/config.json': Buffer.from('{"b": 1}'),
  'text_encoder/model.safetensors': Buffer.from('text'),
  'scheduler/scheduler_config.json': Buffer.from('{"c": 1}'),
  'tokenizer/tokenizer.json': Buffer.from('{"d": 1}'),
}

export function settingsFor(endpoint: string, cacheDir: string, changes: Partial<HubSettings> = {}) {
  return {
    endpoint,
    token: null,
    cacheDir,
    cacheSetting: 'option cacheDir',
    offline: false,
    silenceMs: 5000,
    firstPauseMs: 10,
    ...changes,
  } satisfies HubSettings
}

export async function fetchSmall(
  settings: HubSettings,
  options: Partial<SnapshotOptions> = {},
  id = ID,
): Promise<string> {
  return download(id, { settings, ...options })
}

export function folderOfModel(cacheDir: string): string {
  return join(cacheDir, `models--${ID.replace('/', '--')}`)
}
