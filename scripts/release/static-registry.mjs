/**
 * The smallest registry that npm installs from: our packages as tarballs, everything else by redirection to npm's own. It
 * starts at once, for the short proof of `npm test`; `release:check` publishes to a real one.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { basename } from 'node:path'
import { NPM } from './places.mjs'

export async function openStaticRegistry(tarballs) {
  const upstream = execFileSync(process.execPath, [NPM, 'config', 'get', 'registry'], {
    encoding: 'utf8',
  }).trim()
  const packages = new Map(tarballs.map((path) => [manifestIn(path).name, path]))
  const files = new Map(tarballs.map((path) => [basename(path), path]))
  const server = createServer(({ url }, response) => {
    const name = decodeURIComponent(url.slice(1))
    const file = files.get(basename(name))
    if (file !== undefined) return createReadStream(file).pipe(response.writeHead(200))
    const origin = `http://127.0.0.1:${server.address().port}`
    if (packages.has(name)) return response.end(JSON.stringify(packument(packages.get(name), origin)))
    // The scope is ours: npm's registry is never asked for what we did not make.
    if (name.startsWith('@wuerstchen/')) return response.writeHead(404).end('{}')
    response.writeHead(302, { location: new URL(url, upstream).href }).end()
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() }
}

function packument(path, origin) {
  const manifest = manifestIn(path)
  const integrity = `sha512-${createHash('sha512').update(readFileSync(path)).digest('base64')}`
  const dist = { tarball: `${origin}/-/${basename(path)}`, integrity, unpackedSize: statSync(path).size }
  const { name, version } = manifest
  return { name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } }
}

function manifestIn(path) {
  return JSON.parse(execFileSync('tar', ['-xzOf', path, 'package/package.json'], { encoding: 'utf8' }))
}
