/** Types of the jobs API: those of the server's own schemas. Types only, so that nothing of the server is in the page. */
import type { Static } from '@sinclair/typebox'
import type { Job, JobEvents } from '../../lib/server/schemas/jobs'

export type { ImageMetadata } from '../../lib/image/metadata'
export type { Info, Job, JobCreate } from '../../lib/server/schemas/jobs'
export type { ErrorBody } from '../../lib/server/schemas/pictures'

type Events = typeof JobEvents

export type JobEvent =
  | { readonly type: 'queued'; readonly data: Static<Events['queued']> }
  | { readonly type: 'step'; readonly data: Static<Events['step']> }
  | { readonly type: 'preview'; readonly data: Static<Events['preview']> }
  | { readonly type: 'image'; readonly data: Static<Events['image']> }
  | { readonly type: 'done'; readonly data: { readonly job: Job | null } }
  | {
      readonly type: 'error'
      readonly data: { readonly job: Job | null; readonly error: NonNullable<Job['error']> }
    }
