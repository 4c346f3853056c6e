/** Libraries that are damaged, for another machine, or lack others: said, survived, and passed over where nobody named them. */
import { spawnSync } from 'node:child_process'
import { cpSync, symlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import type { Diagnosis } from '../../lib'
import { libraryName } from '../../lib/libtorch/libraries'
import { npmAgain } from '../../lib/libtorch/npm'
import { copiedLibtorch, cut, otherMachine, realLibtorch, replace } from '../support/libraries'
import { QUICK, type SmallModel, smallModel } from '../support/models'
import { ensureDist, resultOf, runCli } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

let small: SmallModel
beforeAll(() => {
  ensureDist()
  small = smallModel()
})
afterAll(removeFolders)

const CPU = libraryName('torch_cpu')
const MiB = 1024 * 1024
// Only Linux has ELF files.
const onLinux = process.platform === 'linux' ? describe : describe.skip

/** What comes of each libtorch option in one process: `made`, or an error's code and first line. */
function attempts(
  folders: readonly (string | null)[],
  environment: Readonly<Record<string, string>> = {},
): unknown {
  return resultOf(
    `const outcomes = []
    for (const libtorch of ${JSON.stringify(folders)}) {
      const options = { ...${JSON.stringify(small.options)}, ...(libtorch === null ? {} : { libtorch }) }
      try {
        const pipeline = await wuerstchen.WuerstchenPipeline.fromPretrained(${JSON.stringify(small.folder)}, options)
        await pipeline.generate('a red circle', ${JSON.stringify(QUICK)})
        await pipeline.dispose()
        outcomes.push('made')
      } catch (error) {
        outcomes.push([error.code, error.message.split('\\n')[0]])
      }
    }
    console.log(JSON.stringify(outcomes))`,
    environment,
  )
}

onLinux('a libtorch that does not load', () => {
  it('is refused by its reason where it was named, and leaves the process clean', () => {
    const short = copiedLibtorch(cut('torch_cpu', 100 * MiB))
    const foreign = copiedLibtorch((path, name) => name === CPU && otherMachine(path))
    const lacking = copiedLibtorch(replace('torch_cpu', 'librt.so.1\0', 'librq.so.1\0'))
    expect(attempts([short, foreign, lacking, realLibtorch()])).toEqual([
      [
        'ERR_WUERSTCHEN_ADDON_LOAD',
        expect.stringMatching(
          new RegExp(
            `${CPU} is cut short: expected at least \\d+ bytes but it has ${100 * MiB}. Correct or remove`,
          ),
        ),
      ],
      ['ERR_WUERSTCHEN_ADDON_LOAD', expect.stringContaining(`${CPU} is for machine 243 of ELF`)],
      ['ERR_WUERSTCHEN_ADDON_LOAD', expect.stringContaining(`${CPU} needs librq.so.1`)],
      'made',
    ])
  })

  it('is passed over where a later place has a good one', () => {
    const short = copiedLibtorch(cut('torch_cpu', 100 * MiB))
    expect(attempts([null], { LIBTORCH: short })).toEqual(['made'])
    const { libtorch, problems }: Diagnosis = JSON.parse(
      runCli(['doctor', '--json'], { LIBTORCH: short }).stdout,
    )
    expect(libtorch.rejected[0]).toMatchObject({
      source: 'LIBTORCH',
      fault: { file: join(short, 'lib', CPU), received: 100 * MiB },
    })
    expect(problems.filter(({ code }) => code.endsWith('ADDON_LOAD'))).toEqual([])
  })

  it('is passed over also where only the linker knows', () => {
    const text = folderOf({ 'build-version': '2.13.0\n', [`lib/${CPU}`]: 'not a library' })
    expect(attempts([null], { LIBTORCH: text })).toEqual(['made'])
  })

  it('of which a part was opened is what the next error speaks of', () => {
    const half = copiedLibtorch((path, name) => name === CPU && truncateSync(path, 0))
    expect(attempts([half, realLibtorch(), half])).toEqual([
      [
        'ERR_WUERSTCHEN_ADDON_LOAD',
        expect.stringMatching(
          /could not be opened: .*file too short.* was cut short\. Correct or remove the option/,
        ),
      ],
      [
        'ERR_WUERSTCHEN_LIBTORCH_CONFLICT',
        expect.stringMatching(
          /has opened a part of the one in .* and cannot be closed\. Start a new process$/,
        ),
      ],
      ['ERR_WUERSTCHEN_ADDON_LOAD', expect.stringMatching(/could not be opened: .*file too short/)],
    ])
  })
})

onLinux("this package's own binaries", () => {
  it.each([
    ['loader.node', 'build/Release'],
    ['wuerstchen.node', 'build-cmake/Release'],
  ])('%s that is cut short is told, by doctor too', (name, folder) => {
    const bare = folderOf({})
    for (const one of ['dist', 'package.json', 'build/Release', 'build-cmake/Release'])
      cpSync(join(ROOT, one), join(bare, one), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(bare, 'node_modules'))
    const file = join(bare, folder, name)
    truncateSync(file, 20_000)
    const { stdout, signal } = spawnSync(
      process.execPath,
      [join(bare, 'dist', 'cli', 'main.js'), 'doctor', '--json', '--libtorch', realLibtorch()],
      { encoding: 'utf8' },
    )
    expect(signal).toBeNull()
    const { problems }: Diagnosis = JSON.parse(stdout)
    expect(problems.filter(({ code }) => code.endsWith('ADDON_LOAD'))).toEqual([
      {
        code: 'ERR_WUERSTCHEN_ADDON_LOAD',
        message: expect.stringMatching(
          new RegExp(
            `^Expected ${file} .*${name} is cut short: expected at least \\d+ bytes but it has 20000`,
          ),
        ),
        fix: npmAgain(),
      },
    ])
  })
})
