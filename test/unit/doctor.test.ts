import { installationOf } from '../../lib/doctor'
import { TARGET } from '../../lib/libtorch/runtimes'

describe('the advice of doctor', () => {
  it('is our own installation where there is one that fits', () => {
    expect(installationOf(['2.13'], TARGET)).toBe('npx wuerstchen runtime install')
    expect(installationOf([], TARGET)).toBe('npx wuerstchen runtime install')
  })

  it.each([
    [['2.14'], TARGET, '2.14'],
    [['2.13'], 'plan9-mips', '2.13'],
    [[], 'plan9-mips', '2.13'],
  ])('names the version that fits elsewhere: %j on %s', (versions, machine, version) => {
    expect(installationOf(versions, machine)).toContain(`pip install 'torch==${version}.*'`)
  })
})
