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

/** Six a row. */
const PICTURES = [
  ...['0', '0.3', '0.6', '1', '1.25', '1.5'].map((weight) =>
    compel(`a red circle and (a blue square)${weight} on a white background`),
  ),
  ...['0.3', '0.6', '1', '1.2', '1.4', '1.6'].map((weight) =>
    a1111(`a red circle and (a blue square:${weight}) on a white background`),
  ),
  ...['1, 0', '0.8, 0.2', '0.6, 0.4', '0.4, 0.6', '0.2, 0.8', '0, 1'].map((weights) =>
    compel(
      `("a red circle on a white background", "a blue circle on a yellow background").blend(${weights})`,
    ),
  ),
  ...['1, 0.5', '1, 0.9', '1, 1', '0.9, 1', '0.5, 1'].map((weights) =>
    compel(`("a red circle on a white background", "a blue square on a yellow background").and(${weights})`),
  ),
  a1111('a red circle on a white background BREAK a blue square on a yellow background'),
  ...['0', '1', '2', '3', '4', '8'].map((steps) =>
    a1111(`a [yellow star:blue heart:${steps}] on a black background`),
  ),
  { prompt: 'a heart' },
  ...[
    'a black background',
    'an orange heart',
    'an orange heart on a black background',
    'a small heart',
    'a heart in the center',
  ].map((negativePrompt) => ({ prompt: 'a heart', negativePrompt })),
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
