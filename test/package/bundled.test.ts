/** The package inside a bundle: it cannot work there, and says so. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

beforeAll(() => {
  ensureDist()
})
afterAll(removeFolders)

it('says to keep it external where a bundler took it in', () => {
  const folder = join(folderOf({}), 'app', 'dist')
  mkdirSync(folder, { recursive: true })
  const outfile = join(folder, 'bundle.js')
  const options = {
    input: join(ROOT, 'dist', 'index.js'),
    platform: 'node',
    external: ['sharp'],
    logLevel: 'silent',
    output: { file: outfile, format: 'cjs' },
  }
  // The bundler of vite is an ES module.
  const bundle = `import('rolldown').then(({ build }) => build(${JSON.stringify(options)}))`
  const built = spawnSync(process.execPath, ['-e', bundle], { cwd: ROOT, encoding: 'utf8' })
  expect(built).toMatchObject({ status: 0, stderr: '' })
  const program = `try { require(${JSON.stringify(outfile)}) } catch (error) { console.log(error.code, error.message) }`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(stdout).toMatch(
    /^ERR_WUERSTCHEN_ADDON_NOT_FOUND Expected .*package\.json.* keep wuerstchen external\n$/,
  )
})
