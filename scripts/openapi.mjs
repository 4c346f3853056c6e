/** Writes docs/openapi.json: the document that a server serves at /openapi.json. `npm run openapi` */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { at } from './tooling/places.mjs'

const { createServer } = createRequire(import.meta.url)(at('dist/server'))
// Nobody asks it for pictures: no model is loaded.
const server = await createServer({ logLevel: 'silent', pipeline: new Promise(() => undefined) })
const { body } = await server.app.inject('/openapi.json')
const text = `${JSON.stringify(JSON.parse(body), null, 1)}\n`
await server.close()
const file = at('docs/openapi.json')
const current = readOr(file)
writeFileSync(file, text)
console.log(current === text ? `${file} is current` : `${file} is written`)

function readOr(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
