/** What this package needs of a machine, and what to do on one that lacks it. */
import { LibtorchError } from '../errors'
import { installationOfLibrary } from '../libtorch/system-libraries'

/** As libtorch's own wheels: manylinux_2_28. */
const OLDEST_GLIBC = '2.28'
const OLDEST_NODE = '20.18.1'
const IMAGE = 'In a container use an image such as node:22-slim'

/** Facts about a machine that decide whether anything can run on it. */
interface Machine {
  readonly platform: NodeJS.Platform
  readonly node: string
  /** The C library of a Linux, null where it is unknown. */
  readonly libc: { readonly family: 'glibc' | 'musl'; readonly version: string | null } | null
}

export function thisMachine(): Machine {
  return { platform: process.platform, node: process.versions.node, libc: libcOf(process.platform) }
}

function libcOf(platform: NodeJS.Platform): Machine['libc'] {
  if (platform !== 'linux') return null
  const { familySync, versionSync, MUSL } = require('detect-libc') as typeof import('detect-libc')
  const family = familySync()
  return family === null ? null : { family: family === MUSL ? 'musl' : 'glibc', version: versionSync() }
}

/** @throws LibtorchError with UNSUPPORTED_PLATFORM where nothing that could be installed would help. */
export function refuseUnsupportedPlatform(machine: Machine = thisMachine()): void {
  const { libc, node } = machine
  if (isOlder(node, OLDEST_NODE))
    throw unsupported(`Node ${OLDEST_NODE}`, `Node ${node}`, 'Install a newer Node')
  if (libc === null) return
  const found = `${libc.family} ${libc.version ?? 'of unknown version'}`
  if (libc.family === 'musl') {
    throw unsupported(
      `glibc ${OLDEST_GLIBC}`,
      found,
      `libtorch is not built for musl, the C library of Alpine. ${IMAGE}, not node:22-alpine`,
    )
  }
  if (libc.version !== null && isOlder(libc.version, OLDEST_GLIBC)) {
    throw unsupported(
      `glibc ${OLDEST_GLIBC}`,
      found,
      `Use Debian 10, Ubuntu 20.04, RHEL 8, Amazon Linux 2023 or newer. ${IMAGE}`,
    )
  }
}

function unsupported(expected: string, found: string, advice: string): LibtorchError {
  return new LibtorchError(
    'UNSUPPORTED_PLATFORM',
    `Expected ${expected} or newer but this system has ${found}. ${advice}`,
    { details: { expected, found, advice } },
  )
}

/** Numbers by dots, left to right. */
function isOlder(version: string, than: string): boolean {
  const [left, right] = [version, than].map((text) =>
    text.split('.').map((part) => Number.parseInt(part, 10)),
  )
  for (const [index, wanted] of (right ?? []).entries()) {
    const found = left?.[index] ?? 0
    if (found !== wanted) return found < wanted
  }
  return false
}

/** What the system's linker says of a file that it cannot load, and what that means. */
const REASONS: readonly {
  readonly says: RegExp
  /** `again`: what brings the file again. */
  readonly advice: (found: RegExpExecArray, again: string) => string
}[] = [
  {
    says: /version [`']((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found/,
    advice: ([, symbol]) =>
      `${symbol?.startsWith('GLIBC_') ? 'The C library' : 'libstdc++'} of this system is older than ${symbol}. ${IMAGE}`,
  },
  {
    says: /wrong ELF class|invalid ELF header|file too short|mach-o|incompatible architecture|not a valid Win32/i,
    advice: (_, again) =>
      `The file is for another platform, such as in a copy from another machine, or was cut short. ${again}`,
  },
  {
    says: /(lib[\w+.-]+\.so[.\d]*): cannot open shared object file/,
    advice: ([, library]) => installationOfLibrary(library ?? '') ?? '',
  },
  {
    says: /ERR_DLOPEN_DISABLED|loading of native addons is disabled|Cannot load native addon because/i,
    advice: () =>
      `Addons are switched off. Start Node ${isRestricted() ? 'with --allow-addons' : 'without --no-addons'}`,
  },
]

/** Under `node --permission` addons are off until they are allowed. */
function isRestricted(): boolean {
  return (process as { permission?: unknown }).permission !== undefined
}

/** What to add to the linker's message, or an empty string where it is not known. `again` brings the file again. */
export function adviceFor(message: string, again: string): string {
  for (const { says, advice } of REASONS) {
    const found = says.exec(message)
    if (found !== null) return advice(found, again)
  }
  return ''
}
