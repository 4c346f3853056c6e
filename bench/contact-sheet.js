'use strict'
// npm run contact-sheet — the README's pictures: the bundled model, default steps, the seed is the number of the caption.
// Nothing is chosen: every caption of the list is shown, with the first picture it gave.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { WuerstchenPipeline } = require('../dist')
const { PYTHON, ROOT } = require('./support/reference')

const OUT = path.join(ROOT, 'docs', 'images', 'contact-sheet.png')
const CAPTIONS = [
  'a red circle on a blue background',
  'a yellow star on a purple background',
  'a green square on a white background',
  'an orange ring on a black background',
  'a large pink heart on a grey background',
  'a white cross on a red background',
  'a small black triangle on a yellow background',
  'a blue diamond on an orange background',
  'a large yellow sun on a blue background',
  'a red house on a white background',
  'a green tree on a pink background',
  'an orange fish on a blue background',
  'a small purple flower on a green background',
  'a black cat on a yellow background',
  'a red circle on the left, white background',
  'a blue star at the top, yellow background',
  'a red square and a blue circle on a white background',
  'a yellow star above a green square on a black background',
]

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wuerstchen-sheet-'))
  const pipeline = await WuerstchenPipeline.fromPretrained()
  const { images } = await pipeline.generate(CAPTIONS, { seed: CAPTIONS.map((_, index) => index) })
  await Promise.all(images.map((image, index) => image.toFile(path.join(folder, `${index}.png`))))
  await pipeline.dispose()
  fs.writeFileSync(path.join(folder, 'captions.json'), JSON.stringify(CAPTIONS))
  fs.mkdirSync(path.dirname(OUT), { recursive: true })
  execFileSync(PYTHON, ['-m', 'scripts.bundled.sheet', folder, OUT], { cwd: ROOT, stdio: 'inherit' })
  fs.rmSync(folder, { recursive: true })
  console.log(OUT)
}

main()
