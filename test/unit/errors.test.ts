import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as errors from '../../lib/errors'
import {
  bug,
  ERRORS,
  type ErrorKind,
  expected,
  InvalidArgumentError,
  ModelError,
  show,
  WuerstchenError,
} from '../../lib/errors'

const kinds = Object.keys(ERRORS) as ErrorKind[]

/** code -> [class, retryable], as docs/errors.md states it. */
function documented(): Record<string, [string, boolean]> {
  const text = readFileSync(join(__dirname, '../../docs/errors.md'), 'utf8')
  const sections = text.matchAll(/^### (\S+)\n\n`(\w+)`, (not )?retryable\.\n\nWhen: .+?\n\nWhat to do: /gms)
  return Object.fromEntries(
    Array.from(sections, ([, code, name, not]) => [code, [name as string, not === undefined]]),
  )
}

describe('docs/errors.md', () => {
  it('explains every code of the table and no other, with its class and whether to retry', () => {
    const table = kinds.map((kind) => [`ERR_WUERSTCHEN_${kind}`, [ERRORS[kind].as, ERRORS[kind].retryable]])
    expect(table.length).toBeGreaterThan(15)
    expect(documented()).toEqual(Object.fromEntries(table))
  })
})

describe('WuerstchenError', () => {
  it('carries code, cause, details and whether to retry', () => {
    const cause = new Error('disk')
    const error = new ModelError('WEIGHTS_INVALID', 'no', { cause, details: { file: 'x' } })
    expect(error).toMatchObject({
      name: 'ModelError',
      message: 'no',
      code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID',
      retryable: false,
      cause,
      details: { file: 'x' },
    })
    expect(error).toBeInstanceOf(WuerstchenError)
    expect(new errors.OutOfMemoryError('full').retryable).toBe(true)
  })

  it('has no cause of undefined', () => {
    expect('cause' in new WuerstchenError('INTERNAL', 'no')).toBe(false)
  })

  it('keeps a message readable, however long the words of a file in it are', () => {
    const { message } = new ModelError('WEIGHTS_INVALID', `Expected ${'x'.repeat(70_000)}`)
    expect(message).toMatch(/^Expected x+…$/)
    expect(message).toHaveLength(4000)
    const foxes = new ModelError('WEIGHTS_INVALID', '🦊'.repeat(70_000)).message
    expect(foxes).toBe(`${'🦊'.repeat(1999)}…`)
  })

  it('has an exported class for every name in the table', () => {
    for (const kind of kinds) expect(errors).toHaveProperty(ERRORS[kind].as, expect.any(Function))
  })

  it.each([
    [new errors.DeviceError('x'), 'DEVICE_UNAVAILABLE'],
    [new errors.OutOfMemoryError('x'), 'OUT_OF_MEMORY'],
    [new errors.DisposedError('x'), 'DISPOSED'],
    [new errors.GenerationError('x'), 'GENERATION_FAILED'],
    [new errors.QueueFullError('x'), 'QUEUE_FULL'],
    [new errors.TimeoutError('x'), 'TIMEOUT'],
    [new errors.LibtorchError('ADDON_LOAD', 'x'), 'ADDON_LOAD'],
    [new InvalidArgumentError('x'), 'INVALID_ARGUMENT'],
  ] as const)('%s has its code, and the class that the table says', (error, kind) => {
    expect(error.code).toBe(`ERR_WUERSTCHEN_${kind}`)
    expect(error.name).toBe(ERRORS[kind].as)
  })
})

describe('bug()', () => {
  it('says so', () => {
    expect(bug('Two writers.')).toMatchObject({
      code: 'ERR_WUERSTCHEN_INTERNAL',
      message: 'Two writers. This is a bug.',
    })
  })
})

describe('expected()', () => {
  it('names the argument, what it should be and what it is', () => {
    const error = expected('width', 'an integer from 64 to 4096', 'x')
    expect(error).toBeInstanceOf(InvalidArgumentError)
    expect(error.message).toBe("Expected width to be an integer from 64 to 4096 but received 'x'")
    expect(error.details).toEqual({ name: 'width' })
  })
})

describe('show()', () => {
  it.each([
    [0, '0'],
    [-0, '-0'],
    [Number.NaN, 'NaN'],
    [10n, '10n'],
    [null, 'null'],
    [undefined, 'undefined'],
    [true, 'true'],
    ["it's\n\u0007", "'it\\'s\\n\\u0007'"],
    ['\ud800', "'\\ud800'"],
    ['"', "'\"'"],
    [Symbol('x'), 'a symbol'],
    [() => 1, 'a function'],
    [{ a: 1 }, 'an object'],
    [new Date(0), 'an object'],
    [[1, 'a', [2]], "[1, 'a', …]"],
    [[1, 2, 3, 4, 5], '[1, 2, 3, 4, … 5 in all]'],
    [new Float32Array(2), 'a typed array of 8 bytes'],
  ])('prints %p', (value, text) => {
    expect(show(value)).toBe(text)
  })

  it('shortens what is long, without cutting a character in two', () => {
    expect(show('🦊'.repeat(1e6))).toBe(`'${'🦊'.repeat(60)}…' (2000000 characters)`)
    expect(show(10n ** 1000n).length).toBeLessThan(70)
    const family = '\u{1f469}\u200d\u{1f469}\u200d\u{1f467}'
    expect(show(family.repeat(20))).toBe(`'${family.repeat(12)}…' (160 characters)`)
    expect(show(`a${family.repeat(20)}`)).toBe(`'a${family.repeat(11)}…' (161 characters)`)
    // One character of a thousand marks.
    expect(show(`e${'\u0301'.repeat(1000)}`).length).toBeLessThan(90)
  })

  it('runs no code of the value', () => {
    const trap = () => {
      throw new Error('ran')
    }
    const hostile = { toString: trap, toJSON: trap, [Symbol.toPrimitive]: trap }
    expect(show(hostile)).toBe('an object')
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(show(proxy)).toBe('an object')
  })
})
