/**
 * Steps that are recorded and replayed, through the real addon. A GPU records what it is given; here, on the CPU, a rehearsal
 * (cpp/testing) does the recorded work again, with the memory that it was recorded with: what is not brought there is not seen.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type GenerateOptions, type PipelineOptions, WuerstchenPipeline } from '../../lib'
import { encode } from '../../lib/embeddings/safetensors'
import { libraryName } from '../../lib/libtorch/libraries'
import { readHeader, type SafetensorsTensor } from '../../lib/model/safetensors'
import { findEngines } from '../../lib/native/addons'
import { findCudaRecorder } from '../../lib/native/binding'
import { QUICK, smallModel } from '../support/models'
import { folderOf, removeFolders } from '../support/temporary-folder'

let recorder: string | null = null
jest.mock('../../lib/loading/recording', () => ({
  ...jest.requireActual('../../lib/loading/recording'),
  chooseRecording: () => ({ recorder, ignored: null }),
}))

const built = (name: string) => join(dirname(findEngines()[0].path), libraryName(name))
const small = smallModel()

afterAll(removeFolders)

type Call = readonly [prompts: string | readonly string[], options?: GenerateOptions]

const CALLS: readonly Call[] = [
  ['a cat'],
  ['a dog', { seed: 9, priorGuidanceScale: 2 }],
  [['a cat', 'a dog', 'a cow'], { decoderGuidanceScale: 3 }],
  ['a cat', { width: 192, height: 64 }],
  [['a fish', 'a dog', 'a cow'], { decoderGuidanceScale: 2, seed: 3 }],
  ['a dog', { priorGuidanceScale: 1 }],
  ['a cat', { width: 192, height: 64, seed: 1 }],
]

async function open(options: PipelineOptions) {
  return WuerstchenPipeline.fromPretrained(small.folder, { ...small.options, kernels: 'off', ...options })
}

async function pictures(pipeline: WuerstchenPipeline, calls = CALLS): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  for (const [prompts, options] of calls) {
    const { images } = await pipeline.generate(prompts, { ...QUICK, ...options })
    found.push(...images.map(({ data }) => data))
  }
  return found
}

/** What the calls give without recordings, and with them; and what became of these. */
async function both(
  calls = CALLS,
  between: (pipeline: WuerstchenPipeline) => Promise<void> = async () => {},
) {
  const results = []
  for (const cudaGraphs of [false, true]) {
    await using pipeline = await open({ cudaGraphs })
    const before = await pictures(pipeline, calls)
    await between(pipeline)
    const after = await pictures(pipeline, calls)
    results.push({ pixels: [...before, ...after], info: pipeline.info.cudaGraphs })
  }
  const [plain, recorded] = results
  return { plain: plain?.pixels, recorded: recorded?.pixels, info: recorded?.info, off: plain?.info }
}

describe('Recorded steps', () => {
  beforeEach(() => {
    recorder = built('rehearsal')
  })

  it('give the pictures of steps that are not, for any mix of prompts, seeds, sizes, guidance and batches', async () => {
    const { plain, recorded, info, off } = await both()
    expect(recorded).toEqual(plain)
    expect(off).toBeNull()
    // Three shapes of batches in Stage C with guidance and one without, three in Stage B.
    expect(info).toMatchObject({ ignored: null, recorded: 7 })
    const steps = 2 * CALLS.length * (QUICK.priorNumInferenceSteps + QUICK.numInferenceSteps)
    expect(info?.replayed).toBe(steps - 7) // all but the first of each shape
  }, 120_000)

  it('are recorded anew when there were too many of them', async () => {
    const quick = { height: 64, priorNumInferenceSteps: 2, numInferenceSteps: 2 }
    const sizes = Array.from({ length: 18 }, (_, index) => 64 * (index + 1)) // 16 are kept
    const { plain, recorded, info } = await both(sizes.map((width) => ['a cat', { ...quick, width }]))
    expect(recorded).toEqual(plain)
    expect(info).toMatchObject({ ignored: null, recorded: 2 * 2 * sizes.length })
  }, 120_000)

  it('are recorded anew when weights change', async () => {
    const tensor = (rows: number, columns: number) => ({
      shape: [rows, columns],
      data: Float32Array.from({ length: rows * columns }, (_, place) => Math.sin(place)),
    })
    const header = await readHeader(join(small.prior, 'prior', 'diffusion_pytorch_model.safetensors'))
    const { shape } = header.tensors.get('projection.weight') as SafetensorsTensor
    const [out, into] = shape as [number, number]
    const lora = join(folderOf({}), 'style.safetensors')
    const changes = {
      'projection.lora_A.weight': tensor(2, into),
      'projection.lora_B.weight': tensor(out, 2),
    }
    writeFileSync(
      lora,
      encode(
        Object.fromEntries(Object.entries(changes).map(([name, value]) => [`prior.${name}`, value])),
        {},
      ),
    )
    const { plain, recorded, info } = await both(CALLS.slice(0, 1), (pipeline) => pipeline.loadLora(lora))
    expect(recorded).toEqual(plain)
    expect(recorded?.[1]).not.toEqual(recorded?.[0])
    expect(info).toMatchObject({ ignored: null, recorded: 3 }) // Stage C's twice, Stage B's once
  }, 120_000)

  it('that cannot be recorded run as they are, and the reason is told', async () => {
    recorder = built('refusal')
    const { plain, recorded, info } = await both(CALLS.slice(0, 1))
    expect(recorded).toEqual(plain)
    expect(info).toEqual({ ignored: 'This cannot be rehearsed', recorded: 0, replayed: 0 })
  }, 120_000)

  it('run as they are where the library is none', async () => {
    recorder = built('nothing')
    const { plain, recorded, info } = await both(CALLS.slice(0, 1))
    expect(recorded).toEqual(plain)
    expect(info).toMatchObject({
      ignored: expect.stringContaining('Could not open the recorder'),
      recorded: 0,
    })
  }, 120_000)

  const cuda = findCudaRecorder()
  const itWithCuda = cuda === null ? it.skip : it
  itWithCuda(
    `of CUDA are refused without CUDA${cuda === null ? ' (SKIPPED: it was not built)' : ''}`,
    async () => {
      expect(existsSync(cuda as string)).toBe(true)
      recorder = cuda
      const { plain, recorded, info } = await both(CALLS.slice(0, 1))
      expect(recorded).toEqual(plain)
      expect(info).toMatchObject({
        ignored: expect.stringMatching(/libtorch_cuda|NVIDIA driver|CUDA/),
        recorded: 0,
      })
    },
    120_000,
  )
})
