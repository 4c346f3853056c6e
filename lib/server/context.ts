import type { FastifyRequest } from 'fastify'
import type { Backend, BackendModel, JobSnapshot } from './backend'
import type { ServerConfig } from './config/schema'
import { HttpError } from './errors'
import type { Client, Keys, Signer } from './keys'
import type { Metrics } from './metrics'
import type { JobHeaders } from './schemas/headers'
import type { Origin } from './wishes'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for every route but public ones. */
    client: Client | null
    traceparent: string | null
  }
  interface FastifyContextConfig {
    /** Whether the route asks for no key. */
    public?: boolean
  }
}

/** What all routes share. */
export interface Context {
  readonly config: ServerConfig
  readonly backend: Backend
  readonly keys: Keys
  readonly signer: Signer
  readonly metrics: Metrics
}

/** Who asks, for whom, until when; of a route that has the headers in its schema. */
export function originOf(request: FastifyRequest): Origin {
  const headers = request.headers as JobHeaders
  return {
    client: clientOf(request),
    requestId: request.id,
    traceparent: request.traceparent,
    idempotencyKey: headers['idempotency-key'] ?? null,
    timeoutMs: headers['wuerstchen-timeout-ms'] ?? null,
  }
}

export function clientOf({ client }: FastifyRequest): Client {
  if (client === null) throw new HttpError('invalid_api_key', 'Expected an API key but there is none')
  return client
}

/** The job, if it is the caller's: that another one exists is nobody else's business. */
export async function ownJob(
  { backend }: Context,
  request: FastifyRequest,
  id: string,
): Promise<JobSnapshot> {
  const { name } = clientOf(request)
  const job = await backend.find(id)
  if (job?.request.owner === name) return job
  throw new HttpError(
    'not_found',
    'Expected the id of a job of this key: it is unknown, or its time to live has ended',
  )
}

/** The model of that name, or the first one. */
export function modelOf({ backend }: Context, name?: string | null): BackendModel | undefined {
  const { models } = backend.info
  return models.find((model) => model.name === name) ?? models[0]
}
