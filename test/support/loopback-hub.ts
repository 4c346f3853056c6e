/**
 * A hub on loopback that speaks the real one's API: revision, tree with sizes and hashes, resolve with a redirect to a
 * storage host for large files. What it does wrong is told to it, request by request.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Files of a repository by path. */
export type Repository = Readonly<Record<string, Buffer>>

/** What one answer does instead of the right thing. */
export type Fault =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** Ends the connection after this many bytes of the body. */
  | { readonly cutAfter: number }
  /** Sends this many bytes of the body and then nothing. */
  | { readonly silentAfter: number }
  | { readonly flipByte: number }
  | { readonly ignoreRange: true }
  | { readonly contentRange: string }
  /** More bytes than were asked for. */
  | { readonly tail: Buffer }

interface Seen {
  readonly host: 'hub' | 'storage'
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

export class LoopbackHub {
  readonly seen: Seen[] = []
  /** Added to the listing of every repository, for listings that lie. */
  extraEntries: unknown[] = []
  /** Refused by the hub, as a token is that has expired. */
  refusedToken: string | null = null
  private readonly faults: { readonly path: RegExp; readonly fault: Fault; times: number }[] = []
  endpoint = ''
  private readonly hub: Server
  private readonly storage: Server

  private constructor(private readonly repositories: Readonly<Record<string, Repository>>) {
    this.hub = createServer((request, response) => this.answer('hub', request, response))
    this.storage = createServer((request, response) => this.answer('storage', request, response))
  }

  static async start(repositories: Readonly<Record<string, Repository>>): Promise<LoopbackHub> {
    const hub = new LoopbackHub(repositories)
    await Promise.all(
      [hub.hub, hub.storage].map(
        (server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done)),
      ),
    )
    hub.endpoint = addressOf(hub.hub)
    return hub
  }

  async stop(): Promise<void> {
    for (const server of [this.hub, this.storage]) {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    }
  }

  /** The next `times` requests whose path matches go wrong. */
  fail(path: RegExp, fault: Fault, times = 1): void {
    this.faults.push({ path, fault, times })
  }

  commitOf(repository: string): string {
    const hash = createHash('sha1')
    for (const [path, bytes] of Object.entries(this.repositories[repository] ?? {}))
      hash.update(path).update(bytes)
    return hash.digest('hex')
  }

  /** Paths of files asked for. */
  resolved(): string[] {
    return this.seen
      .filter(({ path }) => path.includes('/resolve/'))
      .map(({ path }) => path.split('/').slice(5).join('/'))
  }

  private answer(host: Seen['host'], request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname)
    const { range, authorization } = request.headers
    this.seen.push({ host, path, range, authorization })
    if (host === 'hub' && this.refusedToken !== null && authorization === `Bearer ${this.refusedToken}`) {
      response.writeHead(401).end('Invalid credentials in Authorization header')
      return
    }
    const fault = this.takeFault(`${host}:${path}`)
    if (fault && 'status' in fault) {
      response.writeHead(fault.status, fault.headers).end(fault.body ?? '')
      return
    }
    if (host === 'storage') {
      this.sendFile(path.slice(1), range, fault, response)
      return
    }
    const [, api, repository = ''] = /^\/(api\/models\/)?([\w.-]+\/[\w.-]+)/.exec(path) ?? []
    if (this.repositories[repository] === undefined) {
      response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end('Repository not found')
    } else if (api && path.includes('/revision/')) this.sendInfo(repository, response)
    else if (api) this.sendTree(repository, new URL(request.url ?? '', 'http://x'), response)
    else this.resolve(repository, path, range, fault, response)
  }

  private takeFault(path: string): Fault | undefined {
    const found = this.faults.find((one) => one.times > 0 && one.path.test(path))
    if (found) found.times -= 1
    return found?.fault
  }

  private sendInfo(repository: string, response: ServerResponse): void {
    const siblings = Object.keys(this.repositories[repository] ?? {}).map((rfilename) => ({ rfilename }))
    this.sendJson(response, { id: repository, sha: this.commitOf(repository), siblings })
  }

  /** Two pages, as the real hub has them for many files. */
  private sendTree(repository: string, url: URL, response: ServerResponse): void {
    const entries = Object.entries(this.repositories[repository] ?? {}).map(([path, bytes]) => ({
      type: 'file',
      path,
      size: bytes.length,
      oid: gitHash(bytes),
      ...(isLarge(path) ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 } } : {}),
    }))
    const half = Math.ceil(entries.length / 2)
    if (url.searchParams.has('cursor')) {
      this.sendJson(response, [...entries.slice(half), ...this.extraEntries])
      return
    }
    url.searchParams.set('cursor', 'half')
    response.setHeader('link', `<${this.endpoint}${url.pathname}${url.search}>; rel="next"`)
    this.sendJson(response, entries.slice(0, half))
  }

  private resolve(
    repository: string,
    path: string,
    range: string | undefined,
    fault: Fault | undefined,
    response: ServerResponse,
  ): void {
    const name = path.split('/').slice(5).join('/')
    const bytes = this.repositories[repository]?.[name]
    if (bytes === undefined) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end('Entry not found')
      return
    }
    response.setHeader('x-repo-commit', this.commitOf(repository))
    response.setHeader('etag', `"${gitHash(bytes)}"`)
    if (isLarge(name)) {
      const location = `${addressOf(this.storage)}/${repository}/${name}?signature=secret`
      const linked = { 'x-linked-etag': `"${sha256(bytes)}"`, 'x-linked-size': String(bytes.length) }
      response.writeHead(302, { location, ...linked }).end()
    } else this.sendFile(`${repository}/${name}`, range, fault, response)
  }

  private sendFile(
    path: string,
    range: string | undefined,
    fault: Fault | undefined,
    response: ServerResponse,
  ): void {
    const [organisation, name, ...rest] = path.split('/')
    const whole = this.repositories[`${organisation}/${name}`]?.[rest.join('/')]
    if (whole === undefined) {
      response.writeHead(404).end()
      return
    }
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
    const ranged = first !== undefined && !(fault && 'ignoreRange' in fault)
    const start = ranged ? Number(first) : 0
    const end = ranged ? Number(last) + 1 : whole.length
    let body = Buffer.from(whole.subarray(start, end))
    if (fault && 'flipByte' in fault) body[fault.flipByte] = (body[fault.flipByte] as number) ^ 1
    if (fault && 'tail' in fault) body = Buffer.concat([body, fault.tail])
    const contentRange =
      fault && 'contentRange' in fault ? fault.contentRange : `bytes ${start}-${end - 1}/${whole.length}`
    response.writeHead(ranged ? 206 : 200, {
      'content-length': body.length,
      ...(ranged ? { 'content-range': contentRange } : {}),
    })
    if (fault && 'cutAfter' in fault)
      response.write(body.subarray(0, fault.cutAfter), () => response.destroy())
    else if (fault && 'silentAfter' in fault) response.write(body.subarray(0, fault.silentAfter))
    else response.end(body)
  }

  private sendJson(response: ServerResponse, value: unknown): void {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(value))
  }
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function isLarge(path: string): boolean {
  return path.endsWith('.safetensors') || path.endsWith('.bin')
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function gitHash(bytes: Buffer): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
}
