/** Calls of a process whose working folder was deleted. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ensureDist } from '../support/node-process'

/** What a call ends with, in a process of its own. */
function endOf(call: string): string {
  const script = `
    const { mkdtempSync, rmdirSync } = require('node:fs')
    const wuerstchen = require(${JSON.stringify(join(ensureDist(), 'index.js'))})
    const folder = mkdtempSync(require('node:path').join(require('node:os').tmpdir(), 'wuerstchen-test-'))
    process.chdir(folder)
    rmdirSync(folder)
    Promise.resolve().then(() => ${call}).then(
      () => console.log('done'),
      (error) => console.log(error instanceof wuerstchen.WuerstchenError, error.code, error.message))`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
  return stdout + stderr
}

const onPosix = process.platform === 'win32' ? it.skip : it

describe('a process whose working folder was deleted (SKIPPED on Windows: it keeps such a folder)', () => {
  const deleted =
    /^true ERR_WUERSTCHEN_INVALID_ARGUMENT Expected .* to have a working folder that exists but it was deleted\. .*\n$/

  onPosix.each([
    'wuerstchen.WuerstchenPipeline.fromPretrained()',
    "wuerstchen.WuerstchenPipeline.fromPretrained('./models/mine')",
    "wuerstchen.WuerstchenPipeline.fromPretrained({ decoder: 'mine' })",
    "wuerstchen.pullModel('a/b', { cacheDir: 'cache' })",
    "wuerstchen.listModels({ cacheDir: 'cache' })",
    "wuerstchen.exportGraphs('mine')",
    "wuerstchen.listRuntimes({ folder: 'runtimes' })",
    "wuerstchen.installRuntime({ from: 'archive.zip', sha256: 'a'.repeat(64) })",
  ])('is told so by %s', (call) => {
    expect(endOf(call)).toMatch(deleted)
  })

  onPosix.each(['wuerstchen.listModels()', 'wuerstchen.listRuntimes()', 'wuerstchen.diagnose()'])(
    'can call %s, which does not need it',
    (call) => {
      expect(endOf(call)).toBe('done\n')
    },
  )
})
