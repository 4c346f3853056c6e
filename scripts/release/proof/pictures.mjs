/** The picture that every installation must make, byte for byte, and the programs that make it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { at } from '../../tooling/places.mjs'

export const CAPTION = 'a red circle on a blue background'
const SEED = 7

export const generateArguments = (output) => ['generate', CAPTION, '--seed', `${SEED}`, '--output', output]

const make = (output) => `
  const pipeline = await WuerstchenPipeline.fromPretrained()
  const { images } = await pipeline.generate(${JSON.stringify(CAPTION)}, { seed: ${SEED} })
  await images[0].toFile(${JSON.stringify(output)})
  await pipeline[Symbol.asyncDispose]()
`
export const PROGRAMS = {
  'require.cjs': `const { WuerstchenPipeline } = require('wuerstchen')\n;(async () => {${make('require.png')}})()\n`,
  'import.mjs': `import { WuerstchenPipeline } from 'wuerstchen'\n${make('import.png')}`,
  // The syntax is native in Node 24; TypeScript compiles it for older ones.
  'using.mjs': `import { WuerstchenPipeline } from 'wuerstchen'
await using pipeline = await WuerstchenPipeline.fromPretrained()
const { images } = await pipeline.generate(${JSON.stringify(CAPTION)}, { seed: ${SEED} })
await images[0].toFile('using.png')
`,
  'worker.mjs': `import { isMainThread, Worker } from 'node:worker_threads'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { WuerstchenPipeline } from 'wuerstchen'
if (isMainThread) {
  const [code] = await once(new Worker(fileURLToPath(import.meta.url)), 'exit')
  process.exitCode = code
} else {${make('worker.png')}}
`,
}

/** Where each program puts its picture. */
export const pictureOf = (program) => program.replace(/\.[cm]js$/, '.png')

export function writePrograms(folder) {
  for (const [name, text] of Object.entries(PROGRAMS)) writeFileSync(join(folder, name), text)
}

/** The picture as this checkout makes it, with the libtorch that it was compiled against: that one has all its symbols. */
export function referencePicture() {
  const folder = mkdtempSync(join(tmpdir(), 'wuerstchen-reference-'))
  try {
    const output = join(folder, 'reference.png')
    execFileSync(process.execPath, [at('dist', 'cli', 'main.js'), ...generateArguments(output)], {
      stdio: 'pipe',
    })
    return readFileSync(output)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
