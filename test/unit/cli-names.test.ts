import { Interrupted, lineFor, UsageError } from '../../lib/cli/exit'
import { numbered, slug, tasksOf } from '../../lib/cli/names'
import { InvalidArgumentError, LibtorchError } from '../../lib/errors'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

describe('slug()', () => {
  it.each([
    ['a red circle', 'a-red-circle'],
    ['Würstchen & Brötchen!', 'würstchen-brötchen'],
    ['../../etc/passwd', 'etc-passwd'],
    ['赤い 丸', '赤い-丸'],
    ['🌭🌭', 'picture'],
    ['a\0b\nc\\d:e', 'a-b-c-d-e'],
  ])('makes %j a file name', (caption, name) => {
    expect(slug(caption)).toBe(name)
  })

  it('is short', () => {
    expect(Array.from(slug('word '.repeat(100))).length).toBeLessThanOrEqual(50)
  })
})

describe('numbered()', () => {
  it('numbers several pictures and leaves one alone', () => {
    expect(numbered('d/cat.png', 1)).toEqual(['d/cat.png'])
    expect(numbered('d/cat.png', 2)).toEqual(['d/cat-1.png', 'd/cat-2.png'])
  })
})

describe('tasksOf()', () => {
  it('names a single picture', () => {
    expect(tasksOf('a cat', {})).toEqual([{ caption: 'a cat', files: ['wuerstchen.png'] }])
    expect(tasksOf('a cat', { output: 'cat.jpg', count: 2 })).toEqual([
      { caption: 'a cat', files: ['cat-1.jpg', 'cat-2.jpg'] },
    ])
  })

  it('reads captions, one a line', () => {
    const folder = folderOf({ 'captions.txt': '\uFEFFa cat\r\n\n  \na dog\n' })
    expect(tasksOf(undefined, { captions: `${folder}/captions.txt`, outDir: 'out' })).toEqual([
      { caption: 'a cat', files: ['out/0001-a-cat.png'] },
      { caption: 'a dog', files: ['out/0002-a-dog.png'] },
    ])
  })

  it('refuses a command line that does not make sense', () => {
    const folder = folderOf({ 'empty.txt': '\n\n', 'one.txt': 'a cat' })
    for (const [caption, flags] of [
      [undefined, {}],
      ['a cat', { captions: `${folder}/one.txt` }],
      ['a cat', { outDir: 'out' }],
      [undefined, { captions: `${folder}/one.txt`, output: 'a.png' }],
      [undefined, { captions: `${folder}/empty.txt` }],
    ] as const) {
      expect(() => tasksOf(caption, flags)).toThrow(UsageError)
    }
  })
})

describe('lineFor()', () => {
  it('is one line with the code', () => {
    expect(lineFor(new LibtorchError('LIBTORCH_NOT_FOUND', 'first\nsecond'))).toBe(
      'error [ERR_WUERSTCHEN_LIBTORCH_NOT_FOUND]: first',
    )
  })

  it('names the flag in place of the option', () => {
    const error = new InvalidArgumentError('Expected priorNumInferenceSteps to be 1 but received 0', {
      details: { name: 'priorNumInferenceSteps' },
    })
    expect(lineFor(error)).toBe(
      'error [ERR_WUERSTCHEN_INVALID_ARGUMENT]: Expected --steps to be 1 but received 0',
    )
  })

  it('names it for a place in a list, and for other options, but not in what the caller wrote', () => {
    const error = new InvalidArgumentError(
      "Expected device[1] to be one of cpu or mps where maxMemory is given but received 'maxMemory'",
      { details: { name: 'device[1]' } },
    )
    expect(lineFor(error)).toMatch(
      /Expected --device\[1\] to be one of cpu or mps where --max-memory is given but received 'maxMemory'$/,
    )
  })

  it('copes with anything that is thrown', () => {
    expect([new Interrupted(), 'text', null, undefined, 7].map(lineFor)).toEqual([
      'error: interrupted',
      'error: text',
      'error: null',
      'error: undefined',
      'error: 7',
    ])
  })
})
