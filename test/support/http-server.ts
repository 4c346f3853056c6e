import { createParser } from 'eventsource-parser'
import { createServer, type Server, type ServerOptions } from '../../lib/server'
import type { FakeDevice } from './fake-device'
import { fakePipeline } from './fake-pipeline'

export { until } from './until'

/** A server that listens, and short ways to ask it. */
export interface Served extends AsyncDisposable {
  readonly server: Server
  readonly url: string
  get(path: string, headers?: Record<string, string>): Promise<Answer>
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
}

// biome-ignore lint/suspicious/noExplicitAny: what a test expects of it is checked by its matchers
export type Json = any

export interface Answer extends Response {
  json(): Promise<Json>
}

export async function serve(options: ServerOptions): Promise<Served> {
  const server = await createServer({ port: 0, logLevel: 'silent', drainSeconds: 0, ...options })
  return askings(server, await server.listen())
}

export function askings(server: Server, url: string): Served {
  return {
    server,
    url,
    get: (path, headers = {}) => fetch(url + path, { headers }),
    post: (path, body, headers = {}) =>
      fetch(url + path, {
        method: 'POST',
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    [Symbol.asyncDispose]: () => server.close(),
  }
}

/** Where only HTTP matters: a whole engine on a device that computes with single numbers; at most 8 pictures. */
export async function serveFake(options: ServerOptions = {}): Promise<Served & { device: FakeDevice }> {
  const { pipeline, device } = fakePipeline()
  return { ...(await serve({ pipeline, ...options })), device }
}

/** Steps of the device stop until `open()`. */
export function gate(device: FakeDevice): { open(): void; readonly reached: Promise<void> } {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const reached = new Promise<void>((resolve) => {
    device.before = async ({ method }) => {
      if (method !== 'advance') return
      resolve()
      await opened
    }
  })
  return { open: () => open(), reached }
}

export interface SeenEvent {
  readonly event: string
  readonly id: string | undefined
  readonly data: Json
}

/** Server-sent events as they arrive. */
export async function* eventsOf(response: Response): AsyncGenerator<SeenEvent, void, void> {
  const waiting: SeenEvent[] = []
  const parser = createParser({
    onEvent: ({ event = 'message', id, data }) => waiting.push({ event, id, data: JSON.parse(data) }),
  })
  const decoder = new TextDecoder()
  if (response.body === null) return
  for await (const chunk of response.body) {
    parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }))
    yield* waiting.splice(0)
  }
}

export async function allEventsOf(response: Response): Promise<SeenEvent[]> {
  const events: SeenEvent[] = []
  for await (const event of eventsOf(response)) events.push(event)
  return events
}

/** Steps that take a fake pipeline no time. */
const QUICK = { prior_num_inference_steps: 3, num_inference_steps: 2, seed: 7 }

/** Submits a job of few steps. */
export async function submitQuick(served: Served, body: object = {}, headers: Record<string, string> = {}) {
  const response = await served.post('/v1/jobs', { prompt: 'a red circle', ...QUICK, ...body }, headers)
  return { response, job: await response.json() }
}
