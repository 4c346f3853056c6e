import { runInNewContext } from 'node:vm'
import { InvalidArgumentError } from '../../lib/errors'
import { fromNative } from '../../lib/native/binding'

describe('fromNative()', () => {
  it.each([
    ['OUT_OF_MEMORY', 'ERR_WUERSTCHEN_OUT_OF_MEMORY'],
    ['DISPOSED', 'ERR_WUERSTCHEN_DISPOSED'],
    ['WEIGHTS_FAILED', 'ERR_WUERSTCHEN_WEIGHTS_INVALID'],
    ['GRAPH_FAILED', 'ERR_WUERSTCHEN_GRAPH_INVALID'],
    ['INVALID_ARGUMENT', 'ERR_WUERSTCHEN_INTERNAL'],
    ['INTERNAL', 'ERR_WUERSTCHEN_INTERNAL'],
  ])('turns %s into %s and keeps the cause', (native, code) => {
    const cause = Object.assign(new Error('native words'), { code: native })
    expect(fromNative(cause)).toMatchObject({ code, cause, message: expect.stringContaining('native words') })
  })

  it('knows an error of another realm', () => {
    const cause = runInNewContext("Object.assign(new Error('native words'), { code: 'DISPOSED' })")
    expect(fromNative(cause)).toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED', message: 'native words' })
  })

  it('leaves everything else as it is', () => {
    for (const error of [new InvalidArgumentError('x'), new TypeError('y'), 'text', null]) {
      expect(fromNative(error)).toBe(error)
    }
  })
})
