import { type Diagnosis, diagnose } from '../index'
import { ExitCode } from './exit'
import { say } from './output'

/** `wuerstchen doctor`: prints what there is, what is missing and what helps. Returns the exit code. */
export function doctor(flags: { readonly json?: boolean; readonly libtorch?: string }): number {
  const diagnosis = diagnose({ libtorch: flags.libtorch })
  if (flags.json) console.log(JSON.stringify(diagnosis, null, 2))
  else for (const line of report(diagnosis)) say(line)
  return diagnosis.problems.length === 0 ? ExitCode.ok : ExitCode.failure
}

/** What `doctor` prints, by lines. */
export function report(diagnosis: Diagnosis): string[] {
  const { libtorch, addon, cpu, numa, gpu, bundledModel, graphs, problems } = diagnosis
  const { found, required, rejected } = libtorch
  return [
    `wuerstchen  ${diagnosis.wuerstchen}`,
    `node        ${diagnosis.node} on ${diagnosis.platform}${diagnosis.libc === null ? '' : `, ${diagnosis.libc}`}`,
    `cpu         ${cpu.model}${cpu.features.length === 0 ? '' : ` (${cpu.features.join(', ')})`}`,
    ...(numa.length < 2 ? [] : [`numa        ${numaLine(numa)}`]),
    ...(gpu === null ? [] : [`gpu         ${gpuLine(gpu)}`]),
    `libtorch    ${found === null ? 'none' : `${found.version ?? 'unknown version'} in ${found.directory} (${found.source})`}`,
    ...(required === null ? [] : [`            needed: ${required}`]),
    ...rejected.map(({ source, path, reason }) => `            not used: ${path} (${source}): ${reason}`),
    `addon       ${addon === null ? 'not loaded' : `built for ${addon.compiled}, runs on ${addon.torch} with ${addon.capability}, ${kernelsOf(addon.kernels)}`}`,
    ...Object.entries(addon?.dtypes ?? {}).map(([dtype, what]) => `${dtype.padEnd(11)} ${what}`),
    `model       ${bundledModel.present ? bundledModel.folder : 'none'}`,
    `graphs      ${graphs.length === 0 ? 'none' : graphs.join(', ')}`,
    ...(problems.length === 0 ? ['', 'Ready to make pictures.'] : []),
    ...problems.flatMap(({ code, message, fix }) => ['', `problem [${code}]: ${message}`, `  fix: ${fix}`]),
  ]
}

function numaLine(numa: Diagnosis['numa']): string {
  const devices = numa.map(({ node }) => `cpu:${node}`)
  const cores = numa.map(({ cores }, index) => `${devices[index]} (cores: ${cores})`)
  return `${cores.join(', ')}; one engine for each: --device ${devices.join(',')}`
}

function gpuLine({ gpus, version, used, advice }: NonNullable<Diagnosis['gpu']>): string {
  const name = `${gpus.join(', ') || 'NVIDIA'} (driver ${version ?? 'of unknown version'})`
  return used ? `${name}: this libtorch uses it` : `${name}: not used by this libtorch; ${advice}`
}

/** `baseline` is no kind of CPU that anybody knows by name. */
function kernelsOf(kind: NonNullable<Diagnosis['addon']>['kernels']): string {
  if (kind !== 'baseline') return `kernels for ${kind}`
  return "no kernels of this package for this CPU: libtorch's own operators run, which takes longer"
}
