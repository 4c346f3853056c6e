/** Pictures and previews on their way from the pipeline into a job, encoded beside the next steps. */
import type { StreamEvent } from '../../index'
import { encode, mediaTypeOf } from '../pictures'
import type { JobLog } from './job-log'

export async function addPicture(
  job: JobLog,
  { index, image, timings }: StreamEvent & { type: 'image' },
): Promise<void> {
  const { format, quality } = job.request
  const data = await encode(image, format, quality)
  if (job.ended) return
  const picture = {
    index,
    width: image.width,
    height: image.height,
    mediaType: mediaTypeOf(format),
    bytes: data.byteLength,
    seed: image.seed,
    totalMs: Date.now() - job.createdAt,
    timings,
  }
  job.data.set(index, data)
  job.pictures.set(index, picture)
  job.add({ type: 'image', picture })
}

export async function addPreview(job: JobLog, event: StreamEvent & { type: 'preview' }): Promise<void> {
  const { index, step, steps, image } = event
  const data = await encode(image, 'png', null)
  if (job.ended || job.pictures.has(index)) return
  const { width, height } = image
  job.add({ type: 'preview', index, step, steps, width, height, mediaType: 'image/png', data })
}
