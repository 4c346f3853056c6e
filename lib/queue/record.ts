/** A job's hash in Redis, and what it stands for. */
import type { JobError, JobRequest, JobSnapshot, JobStatus, PictureInfo } from '../server'

export interface JobRecord {
  readonly snapshot: JobSnapshot
  /** BullMQ's queue that delivers it. */
  readonly queue: string
  /** By picture: its name in the store. */
  readonly places: ReadonlyMap<number, string>
}

/** Fields and values by turns, as HGETALL in a script gives them; null where there is no such job. */
export function recordOf(id: string, fields: readonly string[], rank: number): JobRecord | null {
  const hash = new Map<string, string>()
  for (let i = 0; i + 1 < fields.length; i += 2) hash.set(fields[i] as string, fields[i + 1] as string)
  const request = parsed<JobRequest>(hash.get('request'))
  if (request === null) return null
  const status = hash.get('status') as JobStatus
  const places = new Map(numbered(hash, 'place:'))
  return {
    queue: hash.get('queue') ?? '',
    places,
    snapshot: {
      id,
      status,
      request,
      createdAt: Number(hash.get('createdAt')),
      startedAt: numberOf(hash.get('startedAt')),
      finishedAt: numberOf(hash.get('finishedAt')),
      expiresAt: numberOf(hash.get('expiresAt')),
      // Between two tries it is in no line: it comes next.
      position: status === 'queued' ? Math.max(0, rank) : null,
      pictures: numbered(hash, 'picture:').map(([index, text]) => pictureOf(text, places.get(index))),
      warnings: parsed<string[]>(hash.get('warnings')) ?? [],
      error: parsed<JobError>(hash.get('error')),
    },
  }
}

function numbered(hash: ReadonlyMap<string, string>, prefix: string): [number, string][] {
  return [...hash]
    .filter(([field]) => field.startsWith(prefix))
    .map(([field, text]): [number, string] => [Number(field.slice(prefix.length)), text])
    .sort(([a], [b]) => a - b)
}

function pictureOf(text: string, place: string | undefined): PictureInfo {
  const picture = JSON.parse(text) as PictureInfo
  return place === undefined ? picture : { ...picture, place }
}

function numberOf(text: string | undefined): number | null {
  return text === undefined ? null : Number(text)
}

function parsed<T>(text: string | undefined): T | null {
  return text === undefined || text === '' ? null : (JSON.parse(text) as T)
}
