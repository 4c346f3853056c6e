import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { chooseDtype, chooseKernels, computeDtype, loadModel, openDevice, planLoad } from './engine/load'
import { Loras } from './engine/loras'
import type { Model } from './engine/model'
import { weightsCacheOf } from './engine/weights-cache'
import { ModelError } from './errors'
import { locateModel } from './locate'
import { type ModelFiles, openModel, openPrior, type TokenizerFiles } from './model/layout'
import { loadRuntime } from './native/binding'
import type { Dtype } from './native/types'
import { packageRoot } from './package-root'
import { type CheckedPipelineOptions, checkPipelineOptions, type PipelineOptions } from './pipeline-options'
import type { RequestModel } from './request'
import { loadTokenizer } from './text/tokenizer'

/** What a pipeline runs on. */
export interface PipelineInfo {
  /** Name of the model's folder. */
  readonly model: string
  readonly device: string
  readonly dtype: Dtype
  readonly threads: number
}

/** A model that is ready, and what requests to it are checked against. */
export interface Pretrained {
  readonly model: Model
  readonly requests: RequestModel
  readonly info: PipelineInfo
  readonly loras: Loras
  readonly options: CheckedPipelineOptions
}

/** Where the model and the graphs that come with the package lie. */
export const bundled = {
  model: join(packageRoot, 'models', 'shapes'),
  graphs: join(packageRoot, 'graphs'),
}

/** From a folder's name to a model on its device. What was opened is closed again when a step fails. */
export async function loadPretrained(
  folder: string | undefined,
  pipelineOptions: PipelineOptions,
): Promise<Pretrained> {
  const options = checkPipelineOptions(pipelineOptions, { threads: availableParallelism() })
  const { signal, onProgress } = options
  signal?.throwIfAborted()
  const { decoder, prior, rest, other } = await locateModel(folder ?? bundledModel(), options)
  const files = await openModel(decoder, prior, rest)
  const mix =
    other === undefined
      ? null
      : { component: await openPrior(decoder, other, rest), weight: weightOf(options) }
  // Their reading goes on while opening libtorch blocks this thread.
  const reading = Promise.all([
    planLoad(files, [...options.graphs, bundled.graphs], mix),
    loadTokenizers(files),
  ])
  reading.catch(() => undefined) // awaited below
  const runtime = loadRuntime({ libtorch: options.libtorch })
  const [plan, tokenizers] = await reading
  signal?.throwIfAborted()
  const { device, name } = openDevice(runtime, options.device, options.threads)
  try {
    const dtype = options.dtype === 'auto' ? chooseDtype(plan, name, runtime) : options.dtype
    const exact = options.parity === 'diffusers'
    const model = await loadModel(device, files, plan, {
      stored: dtype,
      dtype: exact ? dtype : computeDtype(dtype, name, runtime),
      rounding: exact ? dtype : 'float32',
      kernels: chooseKernels(options.kernels, dtype),
      cache: weightsCacheOf(options.weightsCache),
      signal,
      onLoaded: (component, loaded, of) => onProgress?.({ type: 'load', component, loaded, of }),
    })
    const info = { model: basename(files.decoderFolder), device: name, dtype, threads: options.threads }
    return {
      model,
      requests: {
        geometry: files.geometry,
        defaults: files.defaults,
        previews: model.previewer !== null,
        tokenizers,
      },
      info,
      loras: new Loras(model, {
        prior: plan.prior.weights,
        priorTextEncoder: plan.priorTextEncoder.weights,
        decoder: plan.decoder.weights,
      }),
      options,
    }
  } catch (error) {
    await device.close()
    throw error
  }
}

function weightOf({ prior }: CheckedPipelineOptions): number {
  return typeof prior === 'object' ? prior.weight : 0
}

async function loadTokenizers({ tokenizers }: ModelFiles): Promise<RequestModel['tokenizers']> {
  const [prior, decoder] = await Promise.all([loadReader(tokenizers.prior), loadReader(tokenizers.decoder)])
  return { prior, decoder }
}

async function loadReader(files: TokenizerFiles): Promise<RequestModel['tokenizers']['prior']> {
  const tokenizer = await loadTokenizer(files.folder, files)
  const { channels } = files
  return { length: tokenizer.length, channels, tokenize: (text) => tokenizer.tokenize(text) }
}

function bundledModel(): string {
  if (existsSync(bundled.model)) return bundled.model
  throw new ModelError(
    'MODEL_NOT_FOUND',
    `Expected the model of the package at ${bundled.model} but found none`,
  )
}
