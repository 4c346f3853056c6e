/** The first picture: what `npm run demo` does once bootstrap is through. Further arguments go to the command. */
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { at, ROOT } from './tooling/places.mjs'

const PROMPT = 'a red circle on a blue background'
const picture = at('demo.png')

rmSync(picture, { force: true })
console.log(`$ wuerstchen generate "${PROMPT}" --seed 7 -o demo.png`)
const { status, error } = spawnSync(
  process.execPath,
  [at('dist', 'cli', 'main.js'), 'generate', PROMPT, '--seed', '7', '-o', picture, ...process.argv.slice(2)],
  { cwd: ROOT, stdio: 'inherit' },
)

if (error) console.error(error.message)
if (status !== 0 || !existsSync(picture)) {
  console.error(`demo: Expected a picture in ${picture} but the command left none (exit code ${status})`)
  process.exitCode = status || 1
} else {
  console.log(`demo: your picture is ${picture}`)
}
