import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import type { Diagnosis } from '../../lib'
import { ensureDist, runCli } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

beforeAll(() => {
  ensureDist()
})
afterAll(removeFolders)

const modelIsThere = existsSync(join(ROOT, 'models', 'shapes'))

/** As this Node spells it. */
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'

function codes(diagnosis: Diagnosis): string[] {
  return diagnosis.problems.map(({ code }) => code.replace('ERR_WUERSTCHEN_', ''))
}

describe('wuerstchen doctor', () => {
  it('reports what is there', () => {
    const { status, stdout, stderr } = runCli(['doctor', '--json'])
    const diagnosis: Diagnosis = JSON.parse(stdout)
    expect(stderr).toBe('')
    expect(diagnosis).toMatchObject({
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
      libtorch: { required: '2.13', found: { version: expect.stringMatching(/^2\.13\./) } },
      addon: { compiled: expect.stringMatching(/^2\.13\./), torch: expect.stringMatching(/^2\.13\./) },
      graphs: expect.arrayContaining(['v2']),
    })
    expect(codes(diagnosis)).toEqual(modelIsThere ? [] : ['MODEL_NOT_FOUND'])
    expect(status).toBe(modelIsThere ? 0 : 1)
  })

  it('tells of a cache folder that can be none', () => {
    const folder = folderOf({ file: '' })
    symlinkSync('/nonexistent/disk', join(folder, 'link'))
    for (const [name, what] of [
      ['file', 'is a file and no folder'],
      ['link', 'is a link to /nonexistent/disk, which does not exist'],
    ] as const) {
      const cache = join(folder, name)
      const { status, stdout } = runCli(['doctor', '--json'], { WUERSTCHEN_CACHE: cache })
      const { problems, libtorch }: Diagnosis = JSON.parse(stdout)
      expect(status).toBe(1)
      expect(problems).toContainEqual({
        code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
        message: `Expected the folder of converted weights (WUERSTCHEN_CACHE) to be a folder but ${cache} ${what}`,
        fix: 'Correct or remove WUERSTCHEN_CACHE',
      })
      const runtimes = libtorch.rejected.find(({ source }) => source === 'runtime')
      expect(runtimes?.reason).toBe(`${cache} ${what}`)
    }
  })

  it("tells of a folder of the hub's models that can be none", () => {
    const file = join(folderOf({ file: '' }), 'file')
    const { status, stdout } = runCli(['doctor', '--json'], { HF_HUB_CACHE: file })
    expect(status).toBe(1)
    expect(JSON.parse(stdout).problems).toContainEqual({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      message: `Expected the folder of downloaded models (HF_HUB_CACHE) to be a folder but ${file} is a file and no folder`,
      fix: 'Correct or remove HF_HUB_CACHE',
    })
  })

  it('says in words what it says in JSON', () => {
    const diagnosis: Diagnosis = JSON.parse(runCli(['doctor', '--json']).stdout)
    const { wuerstchen, node, platform, cpu, libtorch, addon, bundledModel, graphs } = diagnosis
    const { stdout } = runCli(['doctor'])
    const lines = Object.fromEntries(
      stdout.split('\n').map((line) => [line.slice(0, 12).trim(), line.slice(12)]),
    )
    expect(lines).toMatchObject({
      wuerstchen,
      node: expect.stringContaining(`${node} on ${platform}`),
      cpu: expect.stringContaining(cpu.model),
      libtorch: expect.stringContaining(`${libtorch.found?.version} in ${libtorch.found?.directory}`),
      addon: expect.stringContaining(`built for ${addon?.compiled}, runs on ${addon?.torch}`),
      ...addon?.dtypes,
      model: bundledModel.present ? bundledModel.folder : 'none',
      graphs: graphs.join(', '),
    })
    expect(Object.keys(addon?.dtypes ?? {})).toEqual(['float32', 'bfloat16', 'float16', 'int8'])
  })

  it('names WUERSTCHEN_CPU where that is wrong, and no installation', () => {
    const { status, stdout } = runCli(['doctor'], { WUERSTCHEN_CPU: 'foo' })
    expect(status).toBe(1)
    expect(stdout).toMatch(
      /problem \[ERR_WUERSTCHEN_INVALID_ARGUMENT\]: Expected WUERSTCHEN_CPU to be one of/,
    )
    expect(stdout).toContain('  fix: Correct or remove WUERSTCHEN_CPU\n')
    expect(stdout).not.toContain('runtime install')
  })

  it('works without libtorch, names each place and what helps', () => {
    const { status, stdout } = runCli(['doctor'], { WUERSTCHEN_LIBTORCH: '/nowhere' })
    expect(status).toBe(1)
    expect(stdout).toContain('not used: /nowhere (WUERSTCHEN_LIBTORCH): no such folder')
    expect(stdout).toContain('problem [ERR_WUERSTCHEN_LIBTORCH_NOT_FOUND]')
    expect(stdout).toContain('fix: Correct or remove WUERSTCHEN_LIBTORCH\n')
    expect(stdout).not.toContain('runtime install')
  })

  it('names the variable behind a folder without libtorch, as generate does', () => {
    const empty = folderOf({})
    for (const command of [['doctor'], ['generate', 'a red circle']]) {
      const { status, stdout, stderr } = runCli(command, { WUERSTCHEN_LIBTORCH: empty })
      expect(status).not.toBe(0)
      expect(stdout + stderr).toMatch(
        new RegExp(
          `in ${empty} \\(WUERSTCHEN_LIBTORCH\\) but no libtorch_cpu\\.\\w+ in it\\. Correct or remove`,
        ),
      )
    }
  })

  it.each([
    ['--no-addons', 'Start Node without --no-addons'],
    [`${PERMISSION} --allow-fs-read=*`, 'Start Node with --allow-addons'],
  ])('says how to allow addons that %s forbids', (flags, fix) => {
    const main = join(ROOT, 'dist', 'cli', 'main.js')
    const { stdout } = spawnSync(process.execPath, [...flags.split(' '), main, 'doctor', '--json'], {
      encoding: 'utf8',
    })
    const { problems }: Diagnosis = JSON.parse(stdout)
    const [problem] = problems.filter(({ code }) => code.endsWith('ADDON_LOAD'))
    expect(problem?.fix).toContain(fix)
    expect(problem?.message).not.toContain('..')
  })

  it('says what runs on a CPU without kernels', () => {
    const { stdout } = runCli(['doctor'], { WUERSTCHEN_CPU: 'baseline' })
    expect(stdout).toMatch(/^addon .*no kernels of this package for this CPU: libtorch's own operators run/m)
  })

  it('tells a wrong version from none', () => {
    const old = folderOf({ 'version.py': "__version__ = '2.12.0'\n", 'lib/libtorch_cpu.so': '' })
    const { stdout } = runCli(['doctor', '--json', '--libtorch', old])
    expect(codes(JSON.parse(stdout))).toContain('LIBTORCH_VERSION')
  })

  it('works without the addon, and without anything else', () => {
    const bare = folderOf({})
    cpSync(join(ROOT, 'dist'), join(bare, 'dist'), { recursive: true })
    cpSync(join(ROOT, 'package.json'), join(bare, 'package.json'))
    symlinkSync(join(ROOT, 'node_modules'), join(bare, 'node_modules'))
    const main = join(bare, 'dist', 'cli', 'main.js')
    const { status, stdout } = spawnSync(process.execPath, [main, 'doctor', '--json'], { encoding: 'utf8' })
    expect(status).toBe(1)
    const diagnosis: Diagnosis = JSON.parse(stdout)
    expect(diagnosis.addon).toBeNull()
    expect(codes(diagnosis)).toEqual(
      expect.arrayContaining(['ADDON_NOT_FOUND', 'GRAPH_NOT_FOUND', 'MODEL_NOT_FOUND']),
    )
  })
})
