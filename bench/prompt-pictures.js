'use strict'
// npm run prompt-pictures — the pictures of docs/prompts.md: the bundled model, one seed, one operator changed at a time.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { WuerstchenPipeline } = require('../dist')
const { PYTHON, ROOT } = require('./support/reference')

const OUT = path.join(ROOT, 'docs', 'images', 'prompts.png')
const SEED = 5
const compel = (prompt) => ({ prompt, promptSyntax: 'compel' })
const a1111 = (prompt) => ({ prompt, promptSyntax: 'a1111' })

/** Six a row: the row's first picture is without the operator. */
const PICTURES = [
  ...['(red)0.2', '(red)0.6', 'red', '(red)1.2', '(red)1.5', '(red)2'].map((red) =>
    compel(`a ${red} purple star on a white background`),
  ),
  ...['1, 0', '0.8, 0.2', '0.6, 0.4', '0.4, 0.6', '0.2, 0.8', '0, 1'].map((weights) =>
    compel(`("a red circle on a white background", "a blue circle on a yellow background").blend(${weights})`),
  ),
  ...['(cat:0.2)', '(cat:0.5)', 'cat', '(cat:1.3)', '(cat:1.6)', '(cat:2)'].map((cat) =>
    a1111(`a ${cat} beside a green tree on a white background`),
  ),
  ...['0', '0.05', '0.1', '0.2', '0.4', '1.0'].map((when) =>
    a1111(`a [yellow star:blue heart:${when}] on a black background`),
  ),
  { prompt: 'a heart' },
  ...['white', 'black', 'red', 'blue', 'green'].map((color) => ({
    prompt: 'a heart',
    negativePrompt: `a ${color} background`,
  })),
]

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wuerstchen-prompts-'))
  const pipeline = await WuerstchenPipeline.fromPretrained()
  const made = PICTURES.map(({ prompt, ...options }) => pipeline.generate(prompt, { ...options, seed: SEED }))
  const results = await Promise.all(made)
  await Promise.all(results.map(({ images }, index) => images[0].toFile(path.join(folder, `${index}.png`))))
  await pipeline.dispose()
  const captions = PICTURES.map(({ prompt, negativePrompt }) =>
    negativePrompt === undefined ? prompt : `${prompt}; not: ${negativePrompt}`,
  )
  fs.writeFileSync(path.join(folder, 'captions.json'), JSON.stringify(captions))
  execFileSync(PYTHON, ['-m', 'scripts.bundled.sheet', folder, OUT], { cwd: ROOT, stdio: 'inherit' })
  fs.rmSync(folder, { recursive: true })
  console.log(OUT)
}

main()
