import type { ErrorBody, Info, Job, JobCreate } from './types'

/** A refusal of the server. `status` is 0 where there was no answer at all. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    /** Option of the request at fault. */
    readonly param: string | null = null,
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(message)
  }

  /** Whether it makes no sense to try the same again. */
  get final(): boolean {
    return this.status >= 400 && this.status < 500 && this.status !== 408 && this.status !== 429
  }
}

export interface ClientOptions {
  readonly key: () => string | null
  /** After an answer that asks for a key, or for another one. */
  readonly onUnauthorized: () => void
}

/** The jobs API. Paths are relative, so that a proxy may serve the page below a path. */
export class Client {
  constructor(private readonly options: ClientOptions) {}

  info(): Promise<Info> {
    return this.json('v1/info')
  }

  submit(body: JobCreate): Promise<Job> {
    return this.json('v1/jobs', { method: 'POST', ...jsonOf(body) })
  }

  job(id: string, signal?: AbortSignal): Promise<Job> {
    return this.json(`v1/jobs/${id}`, signal === undefined ? {} : { signal })
  }

  cancel(id: string): Promise<Job> {
    return this.json(`v1/jobs/${id}/cancel`, { method: 'POST' })
  }

  setLoraScales(scales: Record<string, number>): Promise<Info> {
    return this.json('v1/loras', { method: 'PUT', ...jsonOf(scales) })
  }

  async picture(id: string, index: number): Promise<Blob> {
    return (await this.ask(`v1/jobs/${id}/images/${index}`)).blob()
  }

  /** @param after id of the last event seen. */
  events(id: string, after: string | undefined, signal: AbortSignal): Promise<Response> {
    const headers = {
      accept: 'text/event-stream',
      ...(after === undefined ? {} : { 'last-event-id': after }),
    }
    return this.ask(`v1/jobs/${id}/events`, { headers, signal })
  }

  private async json<T>(path: string, init?: RequestInit): Promise<T> {
    return (await this.ask(path, init)).json() as Promise<T>
  }

  private async ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    const key = this.options.key()
    if (key !== null) headers.set('authorization', `Bearer ${key}`)
    const response = await fetch(path, { ...init, headers }).catch(noAnswer)
    if (response.ok) return response
    if (response.status === 401) this.options.onUnauthorized()
    throw await refusalOf(response)
  }
}

function jsonOf(body: unknown): RequestInit {
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

function noAnswer(error: unknown): never {
  if (error instanceof DOMException && error.name === 'AbortError') throw error
  throw new ApiError('The server cannot be reached.', 0)
}

async function refusalOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as Partial<ErrorBody> | null
  const message = body?.error?.message ?? `The server answered with ${response.status}.`
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return new ApiError(
    message,
    response.status,
    body?.error?.param ?? null,
    Number.isFinite(seconds) ? seconds : null,
  )
}
