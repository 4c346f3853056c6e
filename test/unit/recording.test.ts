/** Which devices record their steps, and what is said of those that do not. */
import { chooseRecording, summed, wantsRecordings } from '../../lib/loading/recording'

describe('chooseRecording()', () => {
  it('takes the library for a CUDA device that has all weights', () => {
    expect(chooseRecording('cuda:1', 'none', '/cuda.so')).toEqual({ recorder: '/cuda.so', ignored: null })
  })

  it.each([
    ['cpu', 'none', '/cuda.so', 'the device is cpu'],
    ['cuda', 'model', '/cuda.so', "offload 'model' has weights come and go"],
    ['cuda', 'none', null, 'this build of the package has no part for CUDA'],
  ] as const)('says why %s with offload %s does not', (device, offload, library, ignored) => {
    expect(chooseRecording(device, offload, library)).toEqual({ recorder: null, ignored })
  })
})

describe('wantsRecordings()', () => {
  it.each([
    [undefined, ['cuda:0'], true],
    [undefined, ['cpu', 'cuda:1'], true],
    [undefined, ['cpu'], false],
    [undefined, ['mps'], false],
    [false, ['cuda:0'], false],
    [true, ['cpu'], true],
  ] as const)('asked for %s on %j: %s', (wanted, devices, recorded) => {
    expect(wantsRecordings(wanted, devices)).toBe(recorded)
  })
})

describe('summed()', () => {
  it('adds networks and devices up, and tells the first reason', () => {
    const network = { recorded: 2, replayed: 20, refused: null }
    const device = { ignored: null, networks: [network, network] }
    expect(summed([device])).toEqual({ ignored: null, recorded: 4, replayed: 40 })
    const failed = { ...device, networks: [network, { ...network, refused: 'no room' }] }
    expect(summed([failed]).ignored).toBe('no room')
    expect(summed([{ ...device, ignored: 'the device is cpu' }]).ignored).toBe('the device is cpu')
    expect(summed([device, failed])).toEqual({ ignored: 'no room', recorded: 8, replayed: 80 })
  })
})
