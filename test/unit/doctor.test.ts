import { installationOf } from '../../lib/libtorch/commands'
import { TARGET } from '../../lib/libtorch/runtimes'

describe('the advice of doctor', () => {
  it('is our own installation where there is one that fits', () => {
    for (const versions of [['2.13'], []])
      expect(installationOf(versions, TARGET)).toMatch(
        /npx wuerstchen runtime install c(pu|u\d+)( --from wheels)?$/,
      )
  })

  it.each([
    [['2.14'], TARGET, '2.14'],
    [['2.13'], 'plan9-mips', '2.13'],
    [[], 'plan9-mips', '2.13'],
  ])('names the version that fits elsewhere: %j on %s', (versions, machine, version) => {
    expect(installationOf(versions, machine)).toContain(`pip install 'torch==${version}.*'`)
  })
})
