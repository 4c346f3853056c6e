/** A model with all that repositories have, on a hub on loopback, and those who download it. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PART_BYTES } from '../../lib/download/part-notes'
import type { HubSettings } from '../../lib/hub/settings'
import type { SnapshotOptions } from '../../lib/hub/snapshot'
import { download, killedWhenOver, stopDownloads } from './downloads'
import { settingsFor } from './hub-settings'
import { LoopbackHub, type Repository } from './loopback-hub'
import { ensureDist } from './node-process'
import { removeFolders } from './temporary-folder'

export const ID = 'tests/decoder'
export const WEIGHTS = 'decoder/diffusion_pytorch_model.safetensors'
/** Three parts, the last one short; no two bytes at the same place of two parts agree by chance. */
export const LARGE = bytesOf('large', 2 * PART_BYTES + 12_345)
export const REPOSITORY: Repository = {
  'model_index.json': Buffer.from('{"_class_name": "WuerstchenDecoderPipeline"}'),
  'README.md': Buffer.from('---\nprior: tests/prior\n---\n'),
  '.gitattributes': Buffer.from('*.bin'),
  'decoder/config.json': Buffer.from('{}'),
  [WEIGHTS]: LARGE,
  'decoder/diffusion_pytorch_model.bin': Buffer.from('pickled'),
  'decoder/diffusion_pytorch_model.fp16.safetensors': Buffer.from('half'),
  'vqgan/config.json': Buffer.from('{"a": 1}'),
  'vqgan/diffusion_pytorch_model.safetensors': bytesOf('vqgan', 1000),
  'text_encoder/config.json': Buffer.from('{"b": 1}'),
  'text_encoder/model.safetensors': bytesOf('text', 2000),
  'scheduler/scheduler_config.json': Buffer.from('{"c": 1}'),
  'tokenizer/tokenizer.json': Buffer.from('{"d": 1}'),
  'tokenizer/merges.txt': Buffer.from(''),
  'images/cat.png': Buffer.from('png'),
}
export const NEEDED = Object.keys(REPOSITORY).filter((path) => !/\.bin$|fp16|images|gitattributes/.test(path))

/** Requests for the parts of WEIGHTS. The model's own name has "decoder" in it too. */
export const STORED_WEIGHTS = new RegExp(`^storage:/${ID}/${WEIGHTS}$`)

export let hub: LoopbackHub

/** For `beforeEach()` and `afterEach()`. */
export async function startHub(): Promise<void> {
  hub = await LoopbackHub.start({ [ID]: REPOSITORY })
}
/** Another hub in its place. */
export async function replaceHub(files: Repository): Promise<void> {
  await hub.stop()
  hub = await LoopbackHub.start({ [ID]: files })
}

export async function stopHub(): Promise<void> {
  await stopDownloads()
  await hub.stop()
  removeFolders()
}

export function bytesOf(seed: string, length: number): Buffer {
  const block = Buffer.concat(
    Array.from({ length: 64 }, (_, index) => createHash('sha256').update(`${seed} ${index}`).digest()),
  )
  const bytes = Buffer.alloc(length, block)
  for (let at = 0; at + 4 <= length; at += 4096) bytes.writeUInt32LE(at, at)
  return bytes
}

export function settingsOf(cacheDir: string, changes: Partial<HubSettings> = {}): HubSettings {
  return settingsFor(hub.endpoint, cacheDir, changes)
}

export function fetched(cacheDir: string, options: Partial<SnapshotOptions> = {}, id = ID): Promise<string> {
  return download(id, { settings: settingsOf(cacheDir), ...options })
}

/** The same, and what the process ends with. */
export function inAnotherProcess(cacheDir: string, changes: Partial<HubSettings> = {}) {
  const settings = JSON.stringify(settingsOf(cacheDir, changes))
  const script = `
    const { fetchSnapshot } = require(${JSON.stringify(join(ensureDist(), 'hub', 'snapshot.js'))})
    fetchSnapshot({ repository: '${ID}', revision: 'main' }, { settings: ${settings} })`
  const child = killedWhenOver(spawn(process.execPath, ['-e', script], { stdio: 'inherit' }))
  return { child, ended: new Promise((done) => child.on('exit', done)) }
}

/** Every needed file is there, whole, under its name. */
export function expectWhole(folder: string): void {
  for (const path of NEEDED)
    expect(readFileSync(join(folder, path)).equals(REPOSITORY[path] as Buffer)).toBe(true)
}

export function blobsOf(cacheDir: string): string[] {
  const folder = join(cacheDir, 'models--tests--decoder', 'blobs')
  return existsSync(folder) ? readdirSync(folder).sort() : []
}
