'use strict'
// What bench/regression.js compares with: numbers of this machine's kind, each within a tolerance.

/** What callgrind says that it counted. Nothing counted means that it did not find the function. */
function collectedOf(text) {
  const count = Number(/Collected : (\d+)/.exec(text)?.[1] ?? 0)
  if (count === 0)
    throw new Error(`Expected callgrind to have counted something but it says:\n${text.slice(-400)}`)
  return count
}

/**
 * One line for every number that is known, and whether it is worse: more than `tolerance` above what it was. A number that
 * the baseline lacks, or that is no longer measured, is a failure too: a check that compares nothing is worse than none.
 */
function compare(found, baseline, tolerance) {
  const names = [...new Set([...Object.keys(baseline), ...Object.keys(found)])]
  if (names.length === 0) throw new Error('Expected numbers to compare but found none')
  return names.map((name) => {
    const [now, was] = [found[name], baseline[name]]
    if (now === undefined || was === undefined)
      return {
        name,
        worse: true,
        text: `${name}: ${was === undefined ? 'not in the baseline' : 'not measured'}`,
      }
    const change = now / was - 1
    const percent = `${change >= 0 ? '+' : ''}${(100 * change).toFixed(1)}%`
    const worse = !(change <= tolerance)
    const verdict = worse ? `WORSE, allowed is +${(100 * tolerance).toFixed(0)}%` : 'ok'
    return { name, worse, text: `${name}: ${now} was ${was}, ${percent}: ${verdict}` }
  })
}

/** Instructions and ratios of one kind of processor say nothing of another. */
function kindOf({ flags, vendor }) {
  const known = ['amx_bf16', 'avx512_bf16', 'avx512f', 'avx2', 'asimd']
  return `${vendor} ${known.find((flag) => flags.includes(flag)) ?? 'without vectors'}`
}

/** Which section of docs/benchmarks.md a run belongs to: the instructions that it multiplies with. */
function sectionOf({ flags }, dtype) {
  const known = {
    float32: { avx512f: 'AVX-512', avx2: 'AVX2', asimd: 'NEON' },
    bfloat16: { amx_bf16: 'AMX', avx512_bf16: 'bfloat16', bf16: 'NEON bfloat16' },
  }[dtype]
  const flag = Object.keys(known).find((one) => flags.includes(one))
  if (flag === undefined)
    throw new Error(`Expected a CPU with one of ${Object.keys(known).join(', ')} for ${dtype}`)
  return known[flag]
}

/** What Linux tells of the processor. */
function readProcessor(cpuinfo) {
  const field = (name) => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(cpuinfo)?.[1] ?? ''
  const flags = `${field('flags')} ${field('Features')}`.split(/\s+/).filter((flag) => flag !== '')
  return { flags, vendor: field('vendor_id') || field('CPU implementer') || 'unknown' }
}

module.exports = { collectedOf, compare, kindOf, readProcessor, sectionOf }
