/** How a process ends in the middle of a step, on this Node; `npm run bench:lifecycle` does the same on others. */
import { CASES, run } from '../../bench/support/lifecycle'
import { describeBundled } from '../support/models'
import { ensureDist } from '../support/node-process'

describeBundled('A process with a pipeline at work', () => {
  beforeAll(() => void ensureDist())

  it.each(CASES.map((one) => [one.name, one] as const))(
    'survives, or ends as it should: %s',
    (_name, one) => {
      expect(run(process.execPath, one).wrong).toBeNull()
    },
  )
})
