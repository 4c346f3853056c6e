/** A pipeline works with its own number of threads, whoever else is there. Linux: it reads /proc. */
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { WuerstchenPipeline } from '../../lib'
import { smallModel } from '../support/models'

const missing =
  process.platform !== 'linux' ? 'it reads /proc' : availableParallelism() < 2 ? 'one core' : null
const describeThreads = missing === null ? describe : describe.skip
const TASKS = '/proc/self/task'

/** Ticks of the clock that each thread of this process has worked. */
function work(): Map<string, number> {
  return new Map(
    readdirSync(TASKS).map((thread) => {
      const fields = readFileSync(`${TASKS}/${thread}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      return [thread, Number(fields[11]) + Number(fields[12])]
    }),
  )
}

/** What the second busiest thread beside JavaScript's works, as a share of the busiest, while a prior runs. */
async function shareOfSecond(pipeline: WuerstchenPipeline, steps: number): Promise<number> {
  const before = work()
  await pipeline.prior('a cat', { width: 1024, height: 1024, priorNumInferenceSteps: steps })
  const [most = 0, next = 0] = [...work()]
    .filter(([thread]) => thread !== String(process.pid))
    .map(([thread, ticks]) => ticks - (before.get(thread) ?? 0))
    .sort((a, b) => b - a)
  expect(most).toBeGreaterThan(5)
  return next / most
}

describeThreads(`Threads${missing === null ? '' : ` (SKIPPED: ${missing})`}`, () => {
  const small = smallModel()

  // Steps enough for the clock's ticks of 10 ms.
  it.each([
    ['packed', 40],
    ['off', 8],
  ] as const)(
    'are as many as asked for, with kernels %s',
    async (kernels, steps) => {
      const open = (threads: number) =>
        WuerstchenPipeline.fromPretrained(small.folder, { ...small.options, threads, kernels })
      const two = await open(2)
      const one = await open(1) // before the first has done anything
      expect(await shareOfSecond(two, steps)).toBeGreaterThan(0.3)
      expect(await shareOfSecond(one, steps)).toBeLessThan(0.3)
      expect(await shareOfSecond(two, steps)).toBeGreaterThan(0.3)
      await Promise.all([one.dispose(), two.dispose()])
    },
    120_000,
  )
})
