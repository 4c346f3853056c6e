/**
 * Stand-ins for CUDA's libraries. The wheel for arm64 is built for CUDA, and its library for the CPU needs a few of their
 * functions by name; without a GPU none of them does anything. Official builds for the CPU need none.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { symbolsOf } from '../release/floors.mjs'

const NO_DEVICE = 100 // cudaErrorNoDevice

export function makeStandIns(compiler, library, out) {
  const needed = symbolsOf(library).filter(
    ({ defined, version }) => !defined && /^lib(cu\w+)\.so\./.test(version ?? ''),
  )
  if (needed.length === 0) throw new Error(`Expected ${library} to need CUDA's libraries but it needs none`)
  for (const name of new Set(needed.map(({ version }) => version))) {
    const functions = needed.filter(({ version }) => version === name).map((symbol) => symbol.name)
    const code = functions.map((one) =>
      one.endsWith('String')
        ? `extern "C" const char *${one}() { return "no CUDA"; }\n`
        : `extern "C" int ${one}() { return ${NO_DEVICE}; }\n`,
    )
    const source = join(out, `${name}.cc`)
    const map = join(out, `${name}.map`)
    writeFileSync(source, code.join(''))
    writeFileSync(map, `${name} { ${functions.map((one) => `${one};`).join(' ')} };\n`)
    execFileSync(compiler, [
      ...['-shared', '-fPIC', '-w', `-Wl,-soname,${name},--version-script,${map}`],
      ...['-o', join(out, name), source],
    ])
  }
}
