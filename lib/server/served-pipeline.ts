import type { GenerateOptions, WuerstchenPipeline } from '../index'
import type { BackendModel, JobRequest } from './backend'

/** What of a pipeline a server needs. */
export type ServedPipeline = Pick<
  WuerstchenPipeline,
  'info' | 'statistics' | 'memory' | 'stream' | 'loras' | 'setLoraScales' | 'dispose'
>

/** What clients learn of its model. */
export function modelOf({ info, loras }: Pick<ServedPipeline, 'info' | 'loras'>): BackendModel {
  const { model: name, devices, dtype, defaultSize, defaultSteps, previews } = info
  const { width: defaultWidth, height: defaultHeight } = defaultSize
  const { prior: defaultPriorSteps } = defaultSteps
  const device = devices.join(',')
  return { name, device, dtype, defaultWidth, defaultHeight, defaultPriorSteps, previews, loras }
}

/** A job's request in the pipeline's words; its deadline counts from now. */
export function generateOptionsOf({ options, count, priority, deadline }: JobRequest): GenerateOptions {
  const timeoutMs =
    deadline === null ? undefined : Math.min(86_400_000, Math.max(1, Math.ceil(deadline - Date.now())))
  return { ...options, numImagesPerPrompt: count, priority, timeoutMs }
}
