import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { difference } from '../../bench/support/reference'
import { readParameters } from '../../lib'
import { FLAGS } from '../../lib/cli/exit'
import { decode, encode } from '../../lib/embeddings/safetensors'
import { PIPELINE_OPTION_NAMES } from '../../lib/pipeline/options'
import { OPTION_NAMES } from '../../lib/request/options'
import { type SmallModel, smallModel } from '../support/models'
import { ensureDist, runCli } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

/** Options that no flag sets, and why. */
const WITHOUT_FLAG: Readonly<Record<string, string>> = {
  signal: 'Ctrl-C is it',
  onProgress: 'the bars are it',
  onPreview: 'the files of --preview-every are it',
  maxQueue: 'the command itself is all that waits',
  priority: 'the captions of one command are equals',
}

let small: SmallModel
let model: string[]
beforeAll(() => {
  ensureDist()
  small = smallModel()
  model = ['--model', small.folder, '--graphs', small.graphs, '--threads', '1']
})
afterAll(removeFolders)

const SIZE = ['--width', '128', '--height', '128', '--seed', '7']
const QUICK = [...SIZE, '--steps', '2', '--decoder-steps', '2']

/** The small model's prior with other numbers in it. */
function otherPrior(): string {
  const folder = join(folderOf({}), 'other-prior')
  cpSync(small.prior, folder, { recursive: true })
  const file = join(folder, 'prior', 'diffusion_pytorch_model.safetensors')
  const { tensors } = decode(readFileSync(file), file)
  const other = Array.from(tensors, ([name, { shape, data }]) => [
    name,
    { shape, data: data.map((value, at) => value * (1 + 0.5 * (at % 3))) },
  ])
  writeFileSync(file, encode(Object.fromEntries(other), {}))
  return folder
}

/** The file, after a command that must succeed. */
function draw(...flags: string[]): string {
  const file = join(folderOf({}), 'cat.png')
  const { status, stderr } = runCli(['generate', 'a cat', '-o', file, ...model, ...flags])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return file
}

const pixels = (file: string) => sharp(file).raw().toBuffer()

describe('flags of wuerstchen generate', () => {
  const names = [...new Set([...PIPELINE_OPTION_NAMES, ...OPTION_NAMES.generate])]

  it('set every option of fromPretrained() and generate(), but for those that mean nothing there', () => {
    const { stdout } = runCli(['generate', '--help'])
    expect(names.length).toBeGreaterThan(30)
    for (const name of names) {
      const flag = FLAGS[name]
      expect([name, flag !== undefined]).toEqual([name, WITHOUT_FLAG[name] === undefined])
      if (flag !== undefined) expect(stdout).toMatch(new RegExp(`^ +(-\\w, )?${flag}\\b`, 'm'))
    }
    expect(names).toEqual(expect.arrayContaining(Object.keys(WITHOUT_FLAG)))
  })

  it.each([
    [['--device', 'cpu,tpu'], /Expected --device\[1\] to be one of/],
    [['--prior', 'a', '--prior-weight', '0.5'], /Expected two --prior with --prior-weight/],
    [
      ['--prior', '/a', '--prior', '/b', '--prior-weight', '2'],
      /Expected --prior-weight to be a number from 0 to 1/,
    ],
    [
      ['--prior', '/a', '--prior', '/b', '--prior', '/c'],
      /Expected --prior to be two folders or ids, 2 in all,/,
    ],
    [['--max-batch-rows', '0'], /Expected --max-batch-rows to be an integer from 1 to 1024/],
    [['--prompt-cache-bytes', '-1'], /Expected --prompt-cache-bytes to be an integer/],
    [
      ['--steps', '2', '--prior-timesteps', '1,0'],
      /Expected --steps to be left out where --prior-timesteps is given/,
    ],
    [['--prior-timesteps', '1,0.5'], /Expected --prior-timesteps\[1\], the last, to be 0/],
    [['--decoder-timesteps', '1,x,0'], /--decoder-timesteps <list>' argument '1,x,0' is invalid/],
    [['--seed', '1.5'], /Expected --seed to be an integer/],
    [['--seed', '18446744073709551616'], /Expected --seed to be .* but received 18446744073709551616n/],
    [['-o', '-', '--preview-every', '1'], /Expected a file for --output with --preview-every/],
  ])('are refused by their own names: %j', (flags, message) => {
    const { status, stdout, stderr } = runCli(['generate', 'a cat', ...model, ...SIZE, ...flags])
    expect({ status, stdout, stderr }).toEqual({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(message),
    })
  })

  it('ask nobody with --local-files-only', () => {
    const args = [
      'generate',
      'a cat',
      '--model',
      'tests/none',
      '--cache-dir',
      folderOf({}),
      '--local-files-only',
    ]
    const { status, stderr } = runCli(args, { HF_HUB_OFFLINE: undefined, HF_ENDPOINT: 'http://127.0.0.1:9' })
    expect(stderr).toMatch(/ERR_WUERSTCHEN_HUB_OFFLINE/)
    expect(status).toBe(1)
  })

  it('keep converted weights in --weights-cache, or nowhere', async () => {
    const [kept, none] = [folderOf({}), folderOf({})]
    const converted = ['--dtype', 'bfloat16', '--offload', 'sequential', ...QUICK]
    const one = draw(...converted, '--weights-cache', kept)
    expect(readdirSync(kept).length).toBeGreaterThan(0)
    const environment = { WUERSTCHEN_CACHE: none }
    const other = join(none, 'cat.png')
    const args = ['generate', 'a cat', '-o', other, ...model, ...converted, '--no-weights-cache']
    expect(runCli(args, environment).status).toBe(0)
    expect(existsSync(join(none, 'weights'))).toBe(false)
    expect((await pixels(one)).equals(await pixels(other))).toBe(true)
  })

  it('give schedules of both stages, and seeds of 64 bits', async () => {
    const schedules = ['--prior-timesteps', '1, 0.4, 0', '--decoder-timesteps', '1,0.3,0']
    expect(await readParameters(draw(...SIZE, ...schedules))).toMatchObject({
      priorTimesteps: [1, 0.4, 0],
      decoderTimesteps: [1, 0.3, 0],
    })
    const wide = draw(...QUICK, '--seed', `${2n ** 63n + 7n}`)
    expect(await pixels(wide)).toEqual(await pixels(draw(...QUICK)))
  })

  it('mix two priors, and share the work among devices', async () => {
    const size = { width: 128, height: 128 }
    const plain = { ...size, data: await pixels(draw(...QUICK)) }
    const drawn = async (...flags: string[]) => ({ ...size, data: await pixels(draw(...QUICK, ...flags)) })
    const other = otherPrior()
    const between = (weight: string) =>
      drawn('--prior', small.prior, '--prior', other, '--prior-weight', weight)
    expect(difference(await between('0'), plain).largest).toBe(0)
    const second = await drawn('--prior', other)
    expect(difference(await between('1'), second).largest).toBe(0)
    const mixed = await between('0.3')
    for (const end of [plain, second]) expect(difference(mixed, end).largest).toBeGreaterThan(1)
    const devices = ['--device', 'cpu,cpu', '--no-cuda-graphs', '--max-batch-rows', '2']
    expect(difference(await drawn(...devices), plain).largest).toBe(0)
  })

  it.each(['cuda:63', 'cpu,cuda:63', 'cpu,cpu:9999'])('ask for every device of --device %s', (devices) => {
    const { status, stderr } = runCli(['generate', 'a cat', ...model, ...QUICK, '--device', devices])
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/ERR_WUERSTCHEN_DEVICE_UNAVAILABLE/),
    })
  })
})
