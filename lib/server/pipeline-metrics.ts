import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Histogram, type Registry } from 'prom-client'
import type { TurnMessage } from '../index'
import type { BackendStatistics } from './backend'
import type { Reading, Readings } from './metric-readings'

type PipelineNumbers = Pick<BackendStatistics, 'picturesPerSecond' | 'memoryBytes' | 'stages'>

const STAGE_COUNTERS = [
  ['stage_steps_total', 'Steps of single pictures.', 'steps', 1],
  ['stage_turns_total', 'Native calls; steps by turns is how well batches are filled.', 'turns', 1],
  ['stage_rows_total', 'Batch entries; a guided picture takes two.', 'rows', 1],
  ['stage_busy_seconds_total', 'Time of native calls.', 'busyMs', 0.001],
] as const

/** What a pipeline of this process does, for servers and workers alike; the result ends the listening. */
export function watchPipeline(registry: Registry, readings: Readings<PipelineNumbers>): () => void {
  readings.gauge('pictures_per_second', 'The pace while there is work.', [], (now) => [
    [{}, now.picturesPerSecond],
  ])
  readings.gauge('memory_bytes', 'Bytes that weights and tensors hold.', [], (now) => [[{}, now.memoryBytes]])
  for (const [name, help, of, scale] of STAGE_COUNTERS)
    readings.counter(name, help, ['stage'], ({ stages }) =>
      Object.entries(stages ?? {}).map(([stage, counts]): Reading => [{ stage }, counts[of] * scale]),
    )
  const batch = new Histogram({
    name: 'wuerstchen_batch_pictures',
    help: 'Pictures that shared a native call.',
    labelNames: ['stage'],
    buckets: [1, 2, 3, 4, 6, 8, 12, 16, 32],
    registers: [registry],
  })
  // By stage: to find a series anew takes longer than all else of a step here.
  const stages = new Map<string, Histogram.Internal<'stage'>>()
  const turn = (message: unknown) => {
    const { stage, images } = message as TurnMessage
    const known = stages.get(stage) ?? batch.labels({ stage })
    stages.set(stage, known)
    known.observe(images)
  }
  subscribe('wuerstchen:turn', turn)
  return () => {
    unsubscribe('wuerstchen:turn', turn)
  }
}
