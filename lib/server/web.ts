import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join, sep } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Where `vite build` puts the page: beside this file's folder in dist/. */
export const WEB_FOLDER = join(__dirname, '..', 'web')

// The page's own files and nothing else: no CDN, no inline script, no frame around it.
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
}

/** A file of the page, in memory. */
interface WebFile {
  readonly mediaType: string
  readonly plain: Buffer
  readonly gzipped: Buffer
  readonly etag: string
  /** Vite names what is in assets/ by its contents. */
  readonly forEver: boolean
}

const ONE_YEAR_SECONDS = 31_536_000

/**
 * The page at `/` and its files below; nothing where it is not built. They are read once, at start: a request names one of
 * them or none, and never a path of the disk. They need no key: what they ask of the API does.
 */
export function registerWeb(app: FastifyInstance, folder = WEB_FOLDER): void {
  if (!existsSync(join(folder, 'index.html'))) return
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const mediaType = MEDIA_TYPES[extname(path)]
    if (mediaType === undefined) continue // a folder, or a source map
    const file = readWebFile(join(folder, path), path, mediaType)
    const name = path.split(sep).join('/')
    const options = { config: { public: true }, schema: { hide: true } }
    app.get(name === 'index.html' ? '/' : `/${name}`, options, (request, reply) =>
      answer(request, reply, file),
    )
  }
}

function readWebFile(path: string, name: string, mediaType: string): WebFile {
  const plain = readFileSync(path)
  return {
    mediaType,
    plain,
    gzipped: gzipSync(plain, { level: 9 }),
    etag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
    forEver: name.startsWith(`assets${sep}`),
  }
}

async function answer(request: FastifyRequest, reply: FastifyReply, file: WebFile): Promise<FastifyReply> {
  reply.headers({
    'content-security-policy': CONTENT_SECURITY_POLICY,
    'cache-control': file.forEver ? `public, max-age=${ONE_YEAR_SECONDS}, immutable` : 'no-cache',
    etag: file.etag,
    vary: 'accept-encoding',
  })
  if (request.headers['if-none-match'] === file.etag) return reply.code(304).send()
  reply.type(file.mediaType)
  if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return reply.send(file.plain)
  return reply.header('content-encoding', 'gzip').send(file.gzipped)
}
