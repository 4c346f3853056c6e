/** The arrows of docs/architecture.md: who may know of whom, in lib/ and in cpp/. */
import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { cycleIn, filesUnder, type Import, importsOf, ROOT, withoutExtension } from '../support/imports'

/**
 * A room is a folder of lib/, or a file right in it. It may import from itself and from what is named here, which stands
 * above it in this list: whole rooms, or one file of a room. Types count.
 */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  files: ['errors'],
  checks: ['errors'],
  tensors: ['errors'],
  diffusion: [],
  download: ['files', 'errors'],
  hub: ['download', 'checks', 'files', 'errors'],
  libtorch: ['download', 'files', 'errors'],
  text: ['files', 'errors'],
  native: ['libtorch', 'tensors', 'files', 'errors'],
  // libtorch/builds: the version that graphs are exported with.
  model: ['native/types', 'libtorch/builds', 'tensors', 'diffusion', 'checks', 'files', 'errors'],
  // model: the one reader of safetensors headers.
  embeddings: ['model/safetensors', 'text', 'tensors', 'files', 'errors'],
  stages: ['native', 'text', 'tensors', 'diffusion', 'errors'],
  image: ['tensors', 'diffusion', 'checks', 'files', 'errors'],
  request: ['image', 'embeddings', 'text', 'tensors', 'diffusion', 'checks', 'errors'],
  memory: ['stages', 'request', 'model', 'native', 'tensors', 'errors'],
  loading: ['memory', 'stages', 'model', 'native', 'libtorch', 'tensors', 'files', 'checks/warn', 'errors'],
  runtime: ['native', 'libtorch', 'download', 'checks', 'files', 'errors'],
  doctor: ['image/sharp', 'native', 'libtorch', 'checks', 'files', 'errors'],
  engine: ['memory', 'stages', 'request', 'native', 'text', 'tensors', 'diffusion', 'checks', 'errors'],
  pipeline: [
    ...[
      'engine',
      'loading',
      'memory',
      'request',
      'embeddings',
      'image',
      'model',
      'native',
      'stages/stage',
      'text',
    ],
    ...['hub', 'tensors', 'checks', 'files', 'errors'],
  ],
  // The door shows types of every room.
  index: [
    ...[
      'pipeline',
      'doctor',
      'runtime',
      'engine',
      'stages',
      'loading',
      'memory',
      'request',
      'embeddings',
      'image',
      'model',
      'native',
    ],
    ...['stages/stage', 'libtorch', 'hub', 'text', 'tensors', 'diffusion', 'files', 'errors'],
  ],
  // checks: a queue's server refuses what no worker could read; callers of a backend share signals, too.
  server: [
    'index',
    'image/sharp',
    'checks/signals',
    'checks/values',
    'checks/warn',
    'files/links',
    'files/package-root',
  ],
  // A backend of the server's, and workers: what they make pictures with is the server's, too.
  queue: ['index', 'server', 'checks/signals', 'files/caches', 'files/folder'],
  'ai-sdk': ['index'],
  // --help needs no more than the version and the names of a server's settings; folders are made before minutes of work.
  cli: [
    'index',
    'server',
    'queue',
    'errors',
    'files/save',
    'image/sharp',
    'files/megabytes',
    'files/open',
    'files/package-root',
    'files/shown-path',
  ],
}

/** The only room that may import a package. Node's own modules (`node:…`) are open to all. */
const PACKAGES: Readonly<Record<string, string>> = {
  '@ai-sdk/provider': 'ai-sdk',
  '@fastify/rate-limit': 'server',
  '@fastify/cors': 'server',
  '@fastify/swagger': 'server',
  '@huggingface/tokenizers': 'text',
  ajv: 'server',
  '@aws-sdk/client-s3': 'queue',
  bullmq: 'queue',
  ioredis: 'queue',
  'cli-progress': 'cli',
  commander: 'cli',
  'detect-libc': 'native',
  '@opentelemetry/api': 'server',
  '@sinclair/typebox': 'server',
  fastify: 'server',
  pino: 'server',
  'prom-client': 'server',
  yauzl: 'libtorch',
  sharp: 'image',
  undici: 'download',
}

/** Which folder of cpp/ may include which headers of others. */
const HEADERS: readonly {
  readonly what: string
  readonly header: RegExp
  readonly rooms: readonly string[]
}[] = [
  { what: 'Node', header: /^(napi|node_api|uv|v8|node)\.h$/, rooms: ['binding', 'loader'] },
  { what: 'libtorch', header: /^(torch|ATen|c10)\//, rooms: ['runtime', 'cuda', 'testing'] },
]

/** Folders of cpp/ and the folders whose headers they may include. */
const CPP_ARROWS: Readonly<Record<string, readonly string[]>> = {
  platform: [],
  loader: ['platform'],
  runtime: ['platform'],
  binding: ['runtime'],
  // Libraries of their own, which know one header of it.
  cuda: ['runtime'],
  testing: ['runtime'],
  portable: [],
}

const typescriptFiles = filesUnder('lib', '.ts', '.js')
const imports = typescriptFiles.flatMap((file) => importsOf(file, typescriptFiles))
const local = imports.filter(({ isPackage }) => !isPackage)
const cppFiles = filesUnder('cpp', '.h', '.cc')

describe('lib/', () => {
  it('has files and imports to check', () => {
    expect(typescriptFiles.length).toBeGreaterThan(10)
    expect(local.length).toBeGreaterThan(10)
    expect(imports.some(({ isPackage }) => isPackage)).toBe(true)
  })

  it('has no room without a line in the table', () => {
    expect([...new Set(typescriptFiles.map(roomOf))].filter((room) => !(room in ARROWS))).toEqual([])
  })

  it('imports along the arrows only', () => {
    expect(local.filter((one) => !isAllowed(one)).map(shown)).toEqual([])
  })

  it('imports packages only in the room that is made for them', () => {
    const packages = imports.filter(({ isPackage, to }) => isPackage && !to.startsWith('node:'))
    expect(packages.filter(({ from, to }) => PACKAGES[to] !== roomOf(from)).map(shown)).toEqual([])
  })

  it('has no arrow upwards or that nothing uses', () => {
    const rooms = Object.keys(ARROWS)
    const arrows = rooms.flatMap((room) => (ARROWS[room] ?? []).map((target) => [room, target] as const))
    const place = (target: string) => rooms.indexOf(target.split('/')[0] ?? '')
    const isUsed = ([room, target]: readonly [string, string]) =>
      local.some(({ from, to }) => roomOf(from) === room && (roomOf(to) === target || to === `lib/${target}`))
    expect(arrows.filter(([room, target]) => place(target) < 0 || place(target) >= place(room))).toEqual([])
    expect(arrows.filter((arrow) => !isUsed(arrow))).toEqual([])
  })

  it('has no cycle of files', () => {
    const edges = local.map(({ from, to }) => [withoutExtension(from), to] as const)
    expect(cycleIn(edges)).toEqual([])
  })
})

describe('cpp/', () => {
  it('has files to check in every room', () => {
    expect([...new Set(cppFiles.map(cppRoomOf))].sort()).toEqual(Object.keys(CPP_ARROWS).sort())
  })

  it.each(HEADERS)('includes headers of $what only where it may', ({ header, rooms }) => {
    const users = cppFiles.filter((file) => includesOf(file).some((name) => header.test(name)))
    expect(users).not.toEqual([])
    expect(users.filter((file) => !rooms.includes(cppRoomOf(file)))).toEqual([])
  })

  it('shows no file the headers of both Node and libtorch, not even through another header', () => {
    const sees = (file: string, header: RegExp) => reachedFrom(file).some((name) => header.test(name))
    expect(cppFiles.filter((file) => HEADERS.every(({ header }) => sees(file, header)))).toEqual([])
  })

  it('includes its own headers along the arrows only', () => {
    const edges = cppFiles.flatMap((file) => ownIncludesOf(file).map((to) => [file, to] as const))
    const wrong = edges.filter(([from, to]) => {
      const rooms = [cppRoomOf(from), ...(CPP_ARROWS[cppRoomOf(from)] ?? [])]
      return !rooms.includes(cppRoomOf(to))
    })
    expect(edges).not.toEqual([])
    expect(wrong.map((edge) => edge.join(' includes '))).toEqual([])
  })
})

/** `lib/native/types.ts` -> `native`, `lib/errors.ts` -> `errors`. */
function roomOf(file: string): string {
  return withoutExtension(file).split('/')[1] ?? ''
}

function isAllowed({ from, to }: Import): boolean {
  const room = roomOf(from)
  const targets = [room, ...(ARROWS[room] ?? [])]
  // An arrow points at a room, or at one file of it.
  return targets.some((target) => roomOf(to) === target || to === `lib/${target}`)
}

function shown({ from, to, typeOnly }: Import): string {
  return `${from} imports ${typeOnly ? 'types of ' : ''}${to}`
}

function cppRoomOf(file: string): string {
  return file.split('/')[1] ?? ''
}

function includesOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8')
  return [...text.matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm)].map(([, name]) => name ?? '')
}

/** Includes that are files of cpp/, written from cpp/ or from the file's own folder. */
function ownIncludesOf(file: string): string[] {
  return includesOf(file)
    .map((name) =>
      [dirname(file), 'cpp', '.'].map((base) =>
        relative(ROOT, resolve(ROOT, base, name))
          .split(sep)
          .join('/'),
      ),
    )
    .flatMap((places) => places.filter((place) => cppFiles.includes(place)).slice(0, 1))
}

/** Every header that compiling this file reads, as it is written. */
function reachedFrom(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return []
  seen.add(file)
  return [...includesOf(file), ...ownIncludesOf(file).flatMap((next) => reachedFrom(next, seen))]
}
