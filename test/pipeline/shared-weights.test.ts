/** `kernels: 'shared'`: packed weights that are kept in a file, from the option to the picture. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../../bench/support/reference'
import { writeStyle } from '../../bench/support/style'
import { type PipelineOptions, WuerstchenPipeline } from '../../lib'
import { loadRuntime } from '../../lib/native/binding'
import { describeBundled, QUICK } from '../support/models'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

const { cpu } = loadRuntime({})
const has = cpu.kind !== 'baseline'
const DTYPES = ['float32', ...(cpu.bfloat16 ? ['bfloat16' as const] : []), 'int8'] as const

afterAll(removeFolders)

interface Drawn {
  readonly pixels: Buffer
  /** Bytes that a picture is predicted to need, and that were held at most. */
  readonly predicted: number
  readonly peak: number
  /** Bytes of private memory of Stages B and C after it. */
  readonly private: number
}

async function draw(pipeline: WuerstchenPipeline): Promise<Drawn> {
  const { images } = await pipeline.generate('a red circle', QUICK)
  const { predicted, peak, stages } = pipeline.memory()
  const { prior, decoder } = stages
  return {
    predicted,
    peak,
    pixels: Buffer.from(images[0]?.data ?? []),
    private: prior.private + decoder.private,
  }
}

const open = (options: PipelineOptions) =>
  WuerstchenPipeline.fromPretrained(undefined, { device: 'cpu', threads: 1, dtype: 'float32', ...options })

async function drawOnce(options: PipelineOptions): Promise<Drawn> {
  await using pipeline = await open(options)
  return await draw(pipeline)
}

const packedFiles = (folder: string) =>
  readdirSync(folder).filter((name) => name.endsWith('.packed.safetensors'))

/** What a first start leaves: a file for each of Stages B and C. */
async function kept(
  options: PipelineOptions = {},
): Promise<{ folder: string; files: string[]; drawn: Drawn }> {
  const folder = folderOf({})
  const drawn = await drawOnce({ kernels: 'shared', weightsCache: folder, ...options })
  const files = packedFiles(folder).map((name) => join(folder, name))
  expect(files).toHaveLength(2)
  return { folder, files, drawn }
}

const name = `kernels: 'shared'${has ? '' : ' (SKIPPED: this CPU has no kernels)'}`
const describeKernels = has
  ? describeBundled
  : (what: string, tests: () => void) => describe.skip(what, tests)

describeKernels(name, () => {
  it.each(DTYPES)(
    'in %s draws the picture of packed weights, and keeps none in private memory',
    async (dtype) => {
      const packed = await drawOnce({ dtype, kernels: 'packed' })
      const { folder, files, drawn } = await kept({ dtype })
      const second = await drawOnce({ dtype, kernels: 'shared', weightsCache: folder })
      for (const { pixels } of [drawn, second]) expect(pixels.equals(packed.pixels)).toBe(true)
      const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0)
      expect(packed.private - drawn.private).toBeGreaterThan(0.95 * bytes)
      expect(second.private).toBe(drawn.private)
    },
  )

  it.each([
    ['float32', 'model'],
    ['float32', 'sequential'],
    ['int8', 'model'],
    ['int8', 'sequential'],
  ] as const)('in %s with offload %s draws the same, and lets go of the file', async (dtype, offload) => {
    const { folder, drawn } = await kept({ dtype })
    await using pipeline = await open({
      dtype,
      offload,
      weightsCache: folder,
      ...(dtype !== 'int8' && { kernels: 'shared' }),
    })
    expect((await draw(pipeline)).pixels.equals(drawn.pixels)).toBe(true)
    const { held, stages } = pipeline.memory()
    expect(held).toBeLessThan(stages.decoder.weights)
    expect(pipeline.info.stages.decoder.kernels?.shared).toBe(true)
    expect(packedFiles(folder)).toHaveLength(2)
  })

  it('packs once: a later start leaves the files as they are', async () => {
    const { folder, files, drawn } = await kept()
    const before = files.map((file) => statSync(file))
    await drawOnce({ kernels: 'shared', weightsCache: folder })
    expect(files.map((file) => statSync(file).mtimeMs)).toEqual(before.map(({ mtimeMs }) => mtimeMs))
    expect(files.map((file) => statSync(file).ino)).toEqual(before.map(({ ino }) => ino))
    expect(drawn.pixels.length).toBeGreaterThan(0)
  })

  it('packs again what is damaged, and what another dtype packs otherwise', async () => {
    const { folder, files, drawn } = await kept()
    truncateSync(files[0] as string, 5000)
    writeFileSync(
      files[1] as string,
      Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]),
    )
    const again = await drawOnce({ kernels: 'shared', weightsCache: folder })
    expect(again.pixels.equals(drawn.pixels)).toBe(true)
    expect(again.private).toBe(drawn.private)
    await drawOnce({ kernels: 'shared', weightsCache: folder, dtype: 'int8' })
    expect(packedFiles(folder)).toHaveLength(4)
  })

  // With offload converted weights are kept as well.
  it.each([
    ['float32', 'none'],
    ['int8', 'none'],
    ['float32', 'model'],
    ...(cpu.bfloat16 ? [['bfloat16', 'model'] as const] : []),
  ] as const)(
    'in %s with offload %s gives a LoRA private memory until it is gone',
    async (dtype, offload) => {
      const options = { dtype, offload }
      const { folder, drawn } = await kept(options)
      const file = join(folderOf({}), 'style.safetensors')
      const prior = join(ROOT, 'models', 'shapes-prior', 'prior', 'diffusion_pytorch_model.safetensors')
      await writeStyle(file, prior, 4)
      const styled = async (more: PipelineOptions) => {
        await using pipeline = await open({ ...options, ...more })
        await draw(pipeline)
        await pipeline.loadLora(file)
        const withIt = await draw(pipeline)
        await pipeline.unloadLora('style')
        return [withIt, await draw(pipeline)] as const
      }
      const [packed] = await styled({ kernels: 'packed', offload: 'none' })
      const [shared, after] = await styled({ kernels: 'shared', weightsCache: folder })
      expect(shared.pixels.equals(packed.pixels)).toBe(true)
      expect(shared.pixels.equals(drawn.pixels)).toBe(false)
      expect(shared.private).toBeGreaterThan(drawn.private)
      expect(shared.predicted).toBeGreaterThanOrEqual(shared.peak)
      expect([after.pixels, after.private]).toEqual([drawn.pixels, drawn.private])
    },
  )

  it('warns where nothing can be kept, and packs', async () => {
    const { folder, files } = await kept()
    for (const file of files) {
      rmSync(file)
      mkdirSync(join(file, 'in the way'), { recursive: true })
    }
    const packed = await drawOnce({ kernels: 'packed' })
    const warnings: string[] = []
    jest.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)))
    await using pipeline = await open({ kernels: 'shared', weightsCache: folder })
    const drawn = await draw(pipeline)
    jest.restoreAllMocks()
    expect(drawn).toEqual(packed)
    expect(pipeline.info.stages.prior.kernels?.shared).toBeUndefined()
    expect(warnings).toHaveLength(2)
    for (const warning of warnings)
      expect(warning).toMatch(
        /^Packed weights of the (prior|decoder) are not shared, and take private memory: .*packed\.safetensors/,
      )
    expect(readdirSync(folder).sort()).toEqual(packedFiles(folder).sort()) // no drafts, no locks
  })

  it('removes drafts, and what nobody used for long', async () => {
    const { folder, files } = await kept()
    const [prefix] = basename(files[0] as string).split('-')
    const put = (name: string, days: number) => {
      writeFileSync(join(folder, name), 'of another')
      utimesSync(
        join(folder, name),
        ...([0, 0].map(() => new Date(Date.now() - days * 24 * 3600_000)) as [Date, Date]),
      )
      return name
    }
    const other = (engine: string) => `${prefix}-${engine.repeat(16)}.packed.safetensors`
    const foreign = (letter: string) => `${letter.repeat(40)}-${letter.repeat(16)}.packed.safetensors`
    const gone = [put(other('0'), 8), put(foreign('a'), 31), put(`.wuerstchen-${randomUUID()}.tmp`, 1)]
    const there = [put(other('1'), 6), put(foreign('b'), 29), put('mine.txt', 99)]
    await drawOnce({ kernels: 'shared', weightsCache: folder })
    const names = readdirSync(folder)
    for (const name of gone) expect(names).not.toContain(name)
    for (const name of [...there, ...files.map((file) => basename(file))]) expect(names).toContain(name)
  })

  it('is packed by one of several processes that start at once', async () => {
    ensureDist()
    const folder = folderOf({})
    const script = `
      const { WuerstchenPipeline } = require(${JSON.stringify(join(ROOT, 'dist'))})
      const { createHash } = require('node:crypto')
      const draw = async () => {
        const options = { device: 'cpu', threads: 1, kernels: 'shared', weightsCache: ${JSON.stringify(folder)} }
        const pipeline = await WuerstchenPipeline.fromPretrained(undefined, options)
        const { images } = await pipeline.generate('a red circle', ${JSON.stringify(QUICK)})
        console.log(createHash('sha256').update(images[0].data).digest('hex'))
        await pipeline.dispose()
      }
      draw()`
    const run = promisify(execFile)
    const runs = await Promise.all([1, 2, 3].map(() => run(process.execPath, ['-e', script])))
    expect(new Set(runs.map(({ stdout }) => stdout)).size).toBe(1)
    expect(runs.map(({ stderr }) => stderr)).toEqual(['', '', ''])
    expect(readdirSync(folder).sort()).toEqual(packedFiles(folder).sort())
    expect(packedFiles(folder)).toHaveLength(2)
  })
})
