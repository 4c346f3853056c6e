import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { difference, ROOT } from '../../bench/support/reference'
import { readParameters } from '../../lib'
import { encode } from '../../lib/embeddings/safetensors'
import { type SmallModel, smallModel } from '../support/models'
import { ensureDist, runCli } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'
import { watched } from '../support/watched-cli'

let small: SmallModel
let flags: string[]
beforeAll(() => {
  ensureDist()
  small = smallModel()
  const model = ['--model', small.folder, '--graphs', small.graphs, '--device', 'cpu', '--threads', '1']
  flags = [
    ...model,
    '--width',
    '128',
    '--height',
    '128',
    '--steps',
    '3',
    '--decoder-steps',
    '2',
    '--seed',
    '7',
  ]
})
afterAll(removeFolders)

const ENDLESS = ['--steps', '1000', '--decoder-steps', '1000']

describe('wuerstchen generate', () => {
  it('writes a picture and says so', async () => {
    const file = join(folderOf({}), 'new', 'cat.png')
    const { status, stdout, stderr } = runCli(['generate', 'a cat', '-o', file, ...flags])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/cat\.png {2}128x128, seed 7, \d+\.\d s\n$/)
    expect(await readParameters(file)).toMatchObject({
      prompt: 'a cat',
      seed: 7,
      priorTimesteps: [1, expect.closeTo(2 / 3), expect.closeTo(1 / 3), 0],
    })
  })

  it('writes a PNG and nothing else to standard output', async () => {
    const args = ['generate', 'a cat', '-o', '-', ...flags]
    const { status, stdout } = spawnSync(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...args])
    expect(status).toBe(0)
    expect(await readParameters(stdout)).toMatchObject({ prompt: 'a cat', seed: 7 })
    expect(stdout.subarray(-8, -4).toString()).toBe('IEND')
    const two = runCli(['generate', 'a cat', '-o', '-', '--count', '2', ...flags])
    expect(two).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('--output -') })
  })

  it('makes a picture again of what its file says, the second of two as well', async () => {
    const folder = folderOf({})
    const [file, again] = [join(folder, 'cat.png'), join(folder, 'again.png')]
    runCli(['generate', 'a cat', '-o', file, '--count', '2', ...flags])
    const model = flags.slice(0, flags.indexOf('--width'))
    const second = join(folder, 'cat-2.png')
    expect(runCli(['generate', '--from', second, '-o', again, ...model])).toMatchObject({
      status: 0,
      stderr: '',
    })
    const pixels = async (png: string) => ({
      data: await sharp(png).raw().toBuffer(),
      width: 128,
      height: 128,
    })
    expect(difference(await pixels(again), await pixels(second)).largest).toBe(0)
    expect(await readParameters(again)).toEqual(await readParameters(second))
    expect(
      runCli(['generate', '--from', join(ROOT, 'docs/images/contact-sheet.png'), ...model]),
    ).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('carries no parameters'),
    })
  })

  it('passes the other options of the API on', () => {
    const file = join(folderOf({}), 'cat.png')
    const draw = (...more: string[]) => runCli(['generate', 'a cat', '-o', file, ...flags, ...more])
    expect(draw('--offload', 'sequential', '--kernels', 'mapped', '--max-memory', '4e9').status).toBe(0)
    expect(draw('--preview-every', '1').status).toBe(0)
    expect(existsSync(file.replace('.png', '-preview.png'))).toBe(true)
    const refused: readonly (readonly [readonly string[], RegExp])[] = [
      [['--offload', 'some'], /Expected --offload to be one of none, model or sequential/],
      [['--max-memory', '1000'], /ERR_WUERSTCHEN_MEMORY_LIMIT/],
      [['--kernels', 'fast'], /Expected --kernels to be one of/],
      [['--revision', '..'], /Expected --revision to be a branch/],
      [['--token', 'a b'], /Expected --token/],
      [['--preview-every', '0'], /Expected --preview-every to be an integer from 1 to 1000/],
      [['--timeout-ms', '1'], /ERR_WUERSTCHEN_TIMEOUT/],
    ]
    for (const [more, message] of refused) {
      const { status, stderr } = draw(...more)
      expect(stderr).toMatch(message)
      expect(status).toBeGreaterThan(0)
    }
  })

  it('looks for models of the hub in --cache-dir', () => {
    const cache = join(folderOf({}), 'models')
    const { status, stderr } = runCli(['generate', 'a cat', '--model', 'tests/none', '--cache-dir', cache], {
      HF_HUB_OFFLINE: '1',
    })
    expect(stderr).toContain(`Expected tests/none (revision main) in ${cache}, which has none of it`)
    expect(status).toBe(1)
  })

  it('draws with LoRAs, scaled', async () => {
    const ones = { shape: [96, 1], data: new Float32Array(96).fill(1) }
    const lora = join(folderOf({}), 'style.safetensors')
    const layer = 'prior.blocks.2.attention.to_q'
    writeFileSync(
      lora,
      encode(
        { [`${layer}.lora_B.weight`]: ones, [`${layer}.lora_A.weight`]: { ...ones, shape: [1, 96] } },
        {},
      ),
    )
    const draw = (...more: string[]) => {
      const file = join(folderOf({}), 'cat.png')
      const { status, stderr } = runCli(['generate', 'a cat', '-o', file, ...flags, ...more])
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      return sharp(file).raw().toBuffer()
    }
    const plain = await draw()
    expect((await draw('--lora', `${lora}=0`)).equals(plain)).toBe(true)
    expect((await draw('--lora', lora)).equals(plain)).toBe(false)
    const { status, stderr } = runCli(['generate', 'a cat', ...flags, '--lora', `${lora}=much`])
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining('Expected a number') })
  })

  it('writes several, and tells programs about them', () => {
    const folder = folderOf({})
    const args = ['generate', 'a cat', '-o', join(folder, 'cat.webp'), '--count', '2', '--json', ...flags]
    const { status, stdout } = runCli(args)
    expect(status).toBe(0)
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toEqual(
      [1, 2].map((number) => ({
        file: join(folder, `cat-${number}.webp`),
        prompt: 'a cat',
        seed: 7,
        width: 128,
        height: 128,
        timings: expect.objectContaining({ totalMs: expect.any(Number) }),
        warnings: [],
        truncated: [],
      })),
    )
    for (const { file } of lines) expect(existsSync(file)).toBe(true)
  })

  it('makes a picture of every caption in a file', () => {
    const folder = folderOf({ 'captions.txt': 'a red circle\n\n../a blue square\na green star\n' })
    const out = join(folder, 'out')
    const args = [
      'generate',
      '--captions',
      join(folder, 'captions.txt'),
      '--out-dir',
      out,
      '--quiet',
      ...flags,
    ]
    expect(runCli(args)).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(readdirSync(out).sort()).toEqual([
      '0001-a-red-circle.png',
      '0002-a-blue-square.png',
      '0003-a-green-star.png',
    ])
  })

  it('reads captions from standard input', () => {
    const out = folderOf({})
    const main = join(ROOT, 'dist', 'cli', 'main.js')
    const args = [main, 'generate', '--captions', '-', '--out-dir', out, '--quiet', ...flags]
    expect(spawnSync(process.execPath, args, { cwd: ROOT, input: 'a cat\n' }).status).toBe(0)
    expect(readdirSync(out)).toEqual(['0001-a-cat.png'])
  })

  it('goes on after a caption that fails, and says so at the end', () => {
    const folder = folderOf({ 'captions.txt': `a cat\n${'x'.repeat(30_000)}\na dog\n` })
    const out = join(folder, 'out')
    const args = [
      'generate',
      '--captions',
      join(folder, 'captions.txt'),
      '--out-dir',
      out,
      '--quiet',
      ...flags,
    ]
    const { status, stderr } = runCli(args)
    expect(status).toBe(1)
    expect(stderr).toMatch(/^error \[ERR_WUERSTCHEN_INVALID_ARGUMENT\]: .*\nerror: 1 of 3 captions failed\n$/)
    expect(readdirSync(out)).toHaveLength(2)
  })

  it.each([
    ['no caption', [], /^error: Expected a caption, --captions or --from but received none of them\n$/],
    ['an unknown flag', ['a cat', '--sed', '7'], /unknown option '--sed'/],
    ['a number that is none', ['a cat', '--seed', 'x'], /--seed <number>' argument 'x' is invalid/],
    [
      'a number out of range',
      ['a cat', '--steps', '0'],
      /^error \[ERR_WUERSTCHEN_INVALID_ARGUMENT\]: Expected --steps to be .* received 0\n$/,
    ],
    ['a size out of range', ['a cat', '--width', '9999999'], /Expected --width to be .* received 9999999\n$/],
    ['a format that it does not know', ['a cat', '-o', 'cat.gif'], /Expected --output to end in/],
    ['a dtype that it does not know', ['a cat', '--dtype', 'int3'], /Expected --dtype to be one of/],
    [
      'a syntax that it does not know',
      ['a cat', '--prompt-syntax', 'x'],
      /Expected --prompt-syntax to be one of/,
    ],
    [
      'a prompt with a mistake',
      ['a (cat', '--prompt-syntax', 'compel'],
      /^error \[ERR_WUERSTCHEN_PROMPT_SYNTAX\]: .*at column 3/,
    ],
  ])('exits with 2 for %s', (_what, args, message) => {
    const folder = folderOf({})
    const output = args.includes('-o') ? [] : ['-o', join(folder, 'a.png')]
    const { status, stdout, stderr } = runCli(['generate', ...flags, ...args, ...output])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(message)
    expect(readdirSync(folder)).toEqual([])
  })

  it('exits with 1 for a model that is not there', () => {
    const { status, stderr } = runCli(['generate', 'a cat', '--model', '/nowhere'])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^error \[ERR_WUERSTCHEN_MODEL_NOT_FOUND\]: .*\n$/)
  })

  it('exits with 1 and one line without libtorch', () => {
    const { status, stderr } = runCli(['generate', 'a cat', ...flags], { WUERSTCHEN_LIBTORCH: '/nowhere' })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^error \[ERR_WUERSTCHEN_LIBTORCH_NOT_FOUND\]: .*doctor' says more\n$/)
  })

  it('exits with 130 and leaves nothing at Ctrl-C', async () => {
    const folder = join(folderOf({}), 'out')
    const { child, stepped } = watched([
      'generate',
      'a cat',
      '-o',
      join(folder, 'a.png'),
      ...flags,
      ...ENDLESS,
    ])
    let stderr = ''
    child.stderr?.on('data', (chunk) => {
      stderr += chunk
    })
    const ended = new Promise((resolve) => child.once('exit', (status, signal) => resolve(status ?? signal)))
    expect(await Promise.race([stepped, ended])).toBe('stepped')
    child.kill('SIGINT')
    expect(await ended).toBe(130)
    expect(stderr).toBe('')
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('wuerstchen', () => {
  it('explains itself', () => {
    expect(runCli(['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('generate') })
    expect(runCli(['generate', '--help'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('--seed'),
    })
  })

  it('knows its version', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    expect(runCli(['--version'])).toMatchObject({ status: 0, stdout: `${version}\n` })
  })

  it('exits with 2 for a command that it does not know', () => {
    expect(runCli(['paint'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("unknown command 'paint'"),
    })
  })
})
