import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'

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

const ONE_YEAR_SECONDS = 31_536_000

/** The page at `/` and its files below; nothing where it is not built. They need no key: what they ask of the API does. */
export function registerWeb(app: FastifyInstance, folder = WEB_FOLDER): void {
  if (!existsSync(join(folder, 'index.html'))) return
  app.register(fastifyStatic, {
    root: folder,
    // One route for each file that is there at start: nothing else of the disk can be named.
    wildcard: false,
    cacheControl: false,
    setHeaders(response, path) {
      response.setHeader('content-security-policy', CONTENT_SECURITY_POLICY)
      // Vite names what is in assets/ by its contents.
      const forEver = path.startsWith(join(folder, 'assets'))
      response.setHeader(
        'cache-control',
        forEver ? `public, max-age=${ONE_YEAR_SECONDS}, immutable` : 'no-cache',
      )
    },
  })
}
