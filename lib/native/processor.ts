/** The processor as doctor names it. */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

export interface Processor {
  /** `unknown` where the system does not tell. */
  readonly model: string
  /** Those that decide how fast libtorch and the kernels are, as Linux names them. */
  readonly features: readonly string[]
}

const FEATURES = new Set([
  ...['avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'avx512_fp16', 'amx_bf16', 'amx_int8'],
  ...['asimd', 'asimdhp', 'asimddp', 'bf16', 'i8mm', 'sve', 'sve2'],
])

/** Arm's servers do not say their names, but numbers: of who made them, and which of theirs it is. */
const ARM_MODELS: Readonly<Record<string, string>> = {
  '0x41 0xd08': 'Arm Cortex-A72',
  '0x41 0xd0b': 'Arm Cortex-A76',
  '0x41 0xd0c': 'Arm Neoverse N1',
  '0x41 0xd40': 'Arm Neoverse V1',
  '0x41 0xd49': 'Arm Neoverse N2',
  '0x41 0xd4f': 'Arm Neoverse V2',
  '0x41 0xd84': 'Arm Neoverse V3',
  '0x41 0xd8e': 'Arm Neoverse N3',
  '0xc0 0xac3': 'Ampere-1',
  '0xc0 0xac4': 'Ampere-1A',
}

/** `cpuinfo`: the text of /proc/cpuinfo; '' where there is none. */
export function describeProcessor(cpuinfo = readCpuinfo(), model = cpus()[0]?.model.trim() ?? ''): Processor {
  const field = (name: string) => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(cpuinfo)?.[1]?.trim()
  const flags = (field('flags') ?? field('Features') ?? '').split(/\s+/)
  const known = model !== '' && model !== 'unknown'
  return {
    model: known ? model : nameOfArm(field('CPU implementer'), field('CPU part')),
    features: flags.filter((flag) => FEATURES.has(flag)),
  }
}

function nameOfArm(implementer: string | undefined, part: string | undefined): string {
  if (implementer === undefined || part === undefined) return 'unknown'
  return ARM_MODELS[`${implementer} ${part}`] ?? `Arm (implementer ${implementer}, part ${part})`
}

function readCpuinfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8')
  } catch {
    return ''
  }
}
