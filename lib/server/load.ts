import { loadSharp } from '../image/sharp'
import { type PipelineOptions, WuerstchenPipeline } from '../index'
import type { PipelineConfig } from './config/roles'

/** The pipeline that a configuration describes, with its LoRAs. */
export async function loadPipeline(config: PipelineConfig): Promise<WuerstchenPipeline> {
  loadSharp() // without it no picture could be answered: that shows now, not after the first
  const pipeline = await WuerstchenPipeline.fromPretrained(config.model, pipelineOptions(config))
  try {
    for (const { path, name, scale } of config.loras)
      await pipeline.loadLora(path, {
        ...(name === undefined ? {} : { name }),
        ...(scale === undefined ? {} : { scale }),
      })
  } catch (error) {
    await pipeline.dispose()
    throw error
  }
  return pipeline
}

export function pipelineOptions(config: PipelineConfig): PipelineOptions {
  const { prior, graphs, device, dtype, kernels, offload, weightsCache } = config
  const { threads, maxMemory, maxBatchRows, libtorch, maxQueue } = config
  const devices = device?.split(',').map((one) => one.trim())
  return {
    prior,
    graphs,
    device: devices?.length === 1 ? devices[0] : devices,
    dtype,
    kernels,
    offload,
    weightsCache,
    threads,
    maxMemory,
    maxBatchRows,
    libtorch,
    maxQueue,
  }
}
