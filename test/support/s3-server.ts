import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** As much of S3 as is asked of it: PutObject, GetObject and DeleteObject, path style. */
export class S3Server implements AsyncDisposable {
  readonly objects = new Map<string, { readonly data: Buffer; readonly type: string }>()
  /** Answers so many uploads with 403, which the client does not try again by itself. */
  refusals = 0
  private constructor(private readonly server: Server) {}

  static async open(): Promise<S3Server> {
    const server = createServer()
    const s3 = new S3Server(server)
    server.on('request', (request, response) => {
      const key = decodeURIComponent((request.url ?? '').split('?')[0] ?? '')
      const chunks: Buffer[] = []
      request.on('data', (chunk) => chunks.push(chunk))
      request.on('end', () => {
        const {
          status,
          type = 'application/xml',
          body = '',
        } = s3.answer(request.method ?? '', key, Buffer.concat(chunks), request.headers['content-type'] ?? '')
        response.writeHead(status, { 'content-type': type }).end(body)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return s3
  }

  /** What the AWS client reads: where it is, and who asks. */
  get environment(): Record<string, string> {
    const { port } = this.server.address() as AddressInfo
    return {
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private answer(method: string, key: string, data: Buffer, type: string) {
    if (method === 'PUT' && this.refusals-- > 0) return { status: 403, body: errorOf('AccessDenied') }
    const known = this.objects.get(key)
    if (method === 'PUT') this.objects.set(key, { data, type })
    if (method === 'DELETE') this.objects.delete(key)
    if (method !== 'GET') return { status: method === 'PUT' ? 200 : 204 }
    if (known === undefined) return { status: 404, body: errorOf('NoSuchKey') }
    return { status: 200, type: known.type, body: known.data }
  }
}

function errorOf(code: string): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`
}
