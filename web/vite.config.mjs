/** Builds the page into dist/web, which lib/server/web.ts serves. `npx vite web` is for work on it, beside a running server. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FOLDER = dirname(fileURLToPath(import.meta.url))
const SERVER = 'http://127.0.0.1:8080'

export default {
  root: FOLDER,
  // Relative, so that a proxy may serve the page below a path.
  base: './',
  build: {
    outDir: join(FOLDER, '..', 'dist', 'web'),
    emptyOutDir: true,
    target: 'es2022',
    // The server's Content-Security-Policy allows files of its own only: nothing inline.
    assetsInlineLimit: 0,
    modulePreload: false,
    // Of the libraries that are inside, such as preact.
    license: { fileName: 'licenses.txt' },
  },
  // A server without keys refuses pages of another origin.
  server: { proxy: { '/v1': { target: SERVER, changeOrigin: true, headers: { origin: SERVER } } } },
}
