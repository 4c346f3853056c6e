/** What the networks' configs say about the memory that a picture takes on its way. */

import type { Fields } from '../files/json'
import type { Networks } from './geometry'

/** One resolution of a network. */
export interface Level {
  readonly channels: number
  /** Cells of it along a side, per cell of the network's input: 0.5 is half as many. */
  readonly scale: number
}

export interface Footprint {
  readonly prior: { readonly channels: number; readonly attentions: number }
  readonly decoder: {
    readonly levels: readonly Level[]
    /** Of the image embeddings, and of the maps that they become, one per direction of each level that reads any. */
    readonly imageChannels: number
    readonly mapChannels: number
    /** Whether a level reads image embeddings. */
    readonly maps: readonly boolean[]
    /** Of all attention blocks together. */
    readonly attentionChannels: number
  }
  /** The deepest level first, which has `blocks`; each other one has one. */
  readonly vqgan: { readonly levels: readonly Level[]; readonly blocks: number }
}

/** The fallbacks are the classes' defaults; the configs were checked before. */
export function footprintOf({ prior, decoder, vqgan }: Networks): Footprint {
  return {
    prior: {
      channels: prior.fields.integer('c', COUNT, 1280),
      attentions: prior.fields.integer('depth', COUNT, 16),
    },
    decoder: decoderOf(decoder.fields),
    vqgan: {
      levels: vqganLevels(vqgan.fields),
      blocks: vqgan.fields.integer('bottleneck_blocks', COUNT, 12),
    },
  }
}

const COUNT = { min: 1, max: 65536 }

function decoderOf(decoder: Fields): Footprint['decoder'] {
  const numbers = (name: string, fallback: readonly number[]) => decoder.list(name, fallback).map(Number)
  const channels = numbers('c_hidden', [320, 640, 1280, 1280])
  const blocks = numbers('blocks', [4, 4, 14, 4])
  const kinds = decoder.list('level_config', ['CT', 'CTA', 'CTA', 'CTA']).map(String)
  const patch = decoder.integer('patch_size', COUNT, 2)
  const attends = (level: number) => (kinds[level]?.includes('A') ? 2 * (blocks[level] ?? 0) : 0) // down and up
  return {
    levels: channels.map((width, level) => ({ channels: width, scale: 1 / (patch * 2 ** level) })),
    imageChannels: decoder.integer('effnet_embd', COUNT, 16),
    mapChannels: decoder.integer('c_cond', COUNT, 1024),
    maps: decoder.list('inject_effnet', [false, true, true, true]).map(Boolean),
    attentionChannels: channels.reduce((sum, width, level) => sum + width * attends(level), 0),
  }
}

function vqganLevels(vqgan: Fields): readonly Level[] {
  const levels = vqgan.integer('levels', COUNT, 2)
  const channels = vqgan.integer('embed_dim', COUNT, 384)
  return Array.from({ length: levels }, (_, level) => ({
    channels: channels / 2 ** level,
    scale: 2 ** level,
  }))
}
