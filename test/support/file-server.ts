/** Files on loopback, for whoever knows no repository. What it does wrong is told to it, answer by answer. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type FileFault =
  | { readonly status: number; readonly headers?: Record<string, string> }
  /** Ends the connection after this many bytes of the body. */
  | { readonly cutAfter: number }
  /** Sends this many bytes of the body and then nothing. */
  | { readonly silentAfter: number }
  | { readonly flipByte: number }

interface Seen {
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

export class FileServer {
  readonly seen: Seen[] = []
  private readonly faults: { readonly path: string; readonly fault: FileFault; times: number }[] = []
  endpoint = ''
  private readonly server: Server

  private constructor(private readonly files: Readonly<Record<string, Buffer>>) {
    this.server = createServer((request, response) => this.answer(request, response))
  }

  /** @param files by path, such as `/a/b.whl`. */
  static async start(files: Readonly<Record<string, Buffer>>): Promise<FileServer> {
    const server = new FileServer(files)
    await new Promise<void>((done) => server.server.listen(0, '127.0.0.1', done))
    server.endpoint = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`
    return server
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((done) => this.server.close(done))
  }

  /** The next `times` answers of this path go wrong. */
  fail(path: string, fault: FileFault, times = 1): void {
    this.faults.push({ path, fault, times })
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname)
    const { range, authorization } = request.headers
    this.seen.push({ path, range, authorization })
    const fault = this.takeFault(path)
    const whole = this.files[path]
    if (fault && 'status' in fault) response.writeHead(fault.status, fault.headers).end()
    else if (whole === undefined) response.writeHead(404).end('no such file')
    else this.send(whole, range, fault, response)
  }

  private takeFault(path: string): FileFault | undefined {
    const found = this.faults.find((one) => one.times > 0 && one.path === path)
    if (found) found.times -= 1
    return found?.fault
  }

  private send(
    whole: Buffer,
    range: string | undefined,
    fault: FileFault | undefined,
    response: ServerResponse,
  ): void {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
    const start = Number(first ?? 0)
    const end = last === undefined ? whole.length : Math.min(whole.length, Number(last) + 1)
    const body = Buffer.from(whole.subarray(start, end))
    if (fault && 'flipByte' in fault) body[fault.flipByte] = (body[fault.flipByte] as number) ^ 1
    response.writeHead(first === undefined ? 200 : 206, {
      'content-length': body.length,
      ...(first === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${whole.length}` }),
    })
    if (fault && 'cutAfter' in fault)
      response.write(body.subarray(0, fault.cutAfter), () => response.destroy())
    else if (fault && 'silentAfter' in fault) response.write(body.subarray(0, fault.silentAfter))
    else response.end(body)
  }
}
