import { dirname, join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { libraryName } from '../../lib/libtorch/libraries'
import { findEngines } from '../../lib/native/addons'
import { runScript } from './node-process'

/** A library of cpp/testing. */
export const testLibrary = (name: string): string => join(dirname(findEngines()[0].path), libraryName(name))

/** Runs `body` in a process of its own, with the addon at hand as `addon` and a small network's load options as `network`. */
export function runWithAddon(body: string, environment: Readonly<Record<string, string | undefined>> = {}) {
  const dist = JSON.stringify(join(ROOT, 'dist'))
  const script = `
    const { loadRuntime } = require(${dist} + '/native/binding.js')
    const { planLoad } = require(${dist} + '/loading/plan.js')
    const { openModel } = require(${dist} + '/model/layout.js')
    const runtime = loadRuntime()
    const { addon } = runtime
    const plan = await planLoad(await openModel(${JSON.stringify(join(ROOT, 'models', 'shapes'))}), [${JSON.stringify(join(ROOT, 'graphs'))}])
    const network = (name, more) => ({
      graph: plan[name].graph.path, weights: plan[name].weights,
      stored: 'float32', dtype: 'float32', kernels: null, ...more,
    })
    const codeOf = (promise) => promise.then(() => null, (error) => error.code + ': ' + error.message)
    ${body}`
  const { status, signal, stdout, stderr } = runScript(script, environment)
  return { status, signal, stdout: stdout.trim(), stderr: stderr.trim() }
}

export const CLEAN = { status: 0, signal: null, stderr: '' }
