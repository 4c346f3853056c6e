/** A checkpoint in the hub's layout that is true in everything but its weights, which are a tensor each. */
import { join } from 'node:path'
import { weightsOf } from './safetensors'
import { type Files, folderOf } from './temporary-folder'

type Json = Readonly<Record<string, unknown>>

const TEXT = {
  architectures: ['CLIPTextModel'],
  hidden_act: 'gelu',
  max_position_embeddings: 77,
  vocab_size: 49408,
}
const SCHEDULER = { _class_name: 'DDPMWuerstchenScheduler', s: 0.008, scaler: 1 }
const COMMON = {
  scheduler: ['diffusers', 'DDPMWuerstchenScheduler'],
  text_encoder: ['transformers', 'CLIPTextModel'],
  tokenizer: ['transformers', 'CLIPTokenizerFast'],
}

/** v2 as it is on the hub. */
export const V2: Readonly<Record<string, Json>> = {
  'wuerstchen/model_index.json': {
    _class_name: 'WuerstchenDecoderPipeline',
    decoder: ['wuerstchen', 'WuerstchenDiffNeXt'],
    vqgan: ['wuerstchen', 'PaellaVQModel'],
    latent_dim_scale: 10.67,
    ...COMMON,
  },
  'wuerstchen/decoder/config.json': {
    _class_name: 'WuerstchenDiffNeXt',
    c_in: 4,
    c_hidden: [320, 640, 1280, 1280],
    patch_size: 2,
    effnet_embd: 16,
    clip_embd: 1024,
  },
  'wuerstchen/vqgan/config.json': {
    _class_name: 'PaellaVQModel',
    levels: 2,
    up_down_scale_factor: 2,
    latent_channels: 4,
    scale_factor: 0.3764,
  },
  'wuerstchen/text_encoder/config.json': { ...TEXT, hidden_size: 1024 },
  'wuerstchen/scheduler/scheduler_config.json': SCHEDULER,
  'wuerstchen/tokenizer/tokenizer_config.json': { model_max_length: 77 },
  'wuerstchen-prior/model_index.json': {
    _class_name: 'WuerstchenPriorPipeline',
    prior: ['wuerstchen', 'WuerstchenPrior'],
    latent_mean: 42,
    latent_std: 1,
    resolution_multiple: 42.67,
    ...COMMON,
  },
  'wuerstchen-prior/prior/config.json': { _class_name: 'WuerstchenPrior', c_in: 16, c_cond: 1280 },
  'wuerstchen-prior/text_encoder/config.json': { ...TEXT, hidden_size: 1280 },
  'wuerstchen-prior/scheduler/scheduler_config.json': SCHEDULER,
  'wuerstchen-prior/tokenizer/tokenizer_config.json': { model_max_length: 77 },
}

const WEIGHTS = weightsOf({ x: [1] })
const REST: Files = {
  'wuerstchen/README.md':
    '---\nlicense: mit\nprior: warp-ai/wuerstchen-prior\ntags:\n- text-to-image\n---\n\nA card.\n',
  'wuerstchen/decoder/diffusion_pytorch_model.safetensors': WEIGHTS,
  'wuerstchen/vqgan/diffusion_pytorch_model.safetensors': WEIGHTS,
  'wuerstchen/text_encoder/model.safetensors': WEIGHTS,
  'wuerstchen-prior/prior/diffusion_pytorch_model.safetensors': WEIGHTS,
  'wuerstchen-prior/text_encoder/model.safetensors': WEIGHTS,
}

/**
 * Writes v2 with these changes and returns the decoder's folder. A change is merged into the file of that name; text or
 * bytes replace it; null leaves it out.
 */
export function hubLayout(changes: Readonly<Record<string, Json | string | Uint8Array | null>> = {}): string {
  const files: Record<string, string | Uint8Array | object> = { ...V2, ...REST }
  for (const [name, change] of Object.entries(changes)) {
    if (change === null) delete files[name]
    else if (typeof change === 'string' || ArrayBuffer.isView(change)) files[name] = change
    else files[name] = { ...V2[name], ...change }
  }
  return join(folderOf(files), 'wuerstchen')
}

/** The same as diffusers' combined pipeline saves it: one folder, the prior's parts under names of their own. */
export function combinedLayout(changes: Readonly<Record<string, Json | null>> = {}): string {
  const files: Record<string, string | Uint8Array | object> = {}
  for (const [name, content] of Object.entries({ ...V2, ...REST })) {
    const part = name.split('/').slice(1).join('/')
    files[name.startsWith('wuerstchen-prior/') ? `prior_${part}` : part] = content
  }
  delete files['prior_model_index.json']
  delete files['README.md']
  const { text_encoder, scheduler, tokenizer } = COMMON
  files['model_index.json'] = {
    ...V2['wuerstchen/model_index.json'],
    _class_name: 'WuerstchenCombinedPipeline',
    prior_prior: ['wuerstchen', 'WuerstchenPrior'],
    ...{ prior_text_encoder: text_encoder, prior_scheduler: scheduler, prior_tokenizer: tokenizer },
  }
  for (const [name, change] of Object.entries(changes)) {
    if (change === null) delete files[name]
    else files[name] = { ...(files[name] as object), ...change }
  }
  return folderOf(files)
}
