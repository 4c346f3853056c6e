/** The files in which Linux describes an arm64 machine, as libtorch's cpuinfo reads them: a Neoverse N1 of two cores. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const CORES = 2
const FEATURES =
  'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop asimddp'

const core = (index) => `processor\t: ${index}
BogoMIPS\t: 50.00
Features\t: ${FEATURES}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
`

const cores = Array.from({ length: CORES }, (_, index) => index)

const FILES = {
  'proc/cpuinfo': cores.map(core).join('\n'),
  'sys/devices/system/cpu/possible': `0-${CORES - 1}`,
  'sys/devices/system/cpu/present': `0-${CORES - 1}`,
  'sys/devices/system/cpu/kernel_max': '8191',
  ...Object.fromEntries(
    cores.flatMap((index) => {
      const folder = `sys/devices/system/cpu/cpu${index}`
      return [
        [`${folder}/regs/identification/midr_el1`, '0x00000000413fd0c1'],
        [`${folder}/topology/core_id`, `${index}`],
        [`${folder}/topology/physical_package_id`, '0'],
        [`${folder}/topology/core_siblings_list`, `0-${CORES - 1}`],
        [`${folder}/topology/thread_siblings_list`, `${index}`],
        [`${folder}/cpufreq/cpuinfo_max_freq`, '2500000'],
        [`${folder}/cpufreq/cpuinfo_min_freq`, '2500000'],
      ]
    }),
  ),
}

/** A folder for qemu's -L: there it looks for a file first, then on the machine. `libraries`: with arm64's lib/. */
export function describeMachine(root, libraries) {
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), `${text.trimEnd()}\n`)
  }
  symlinkSync(join(libraries, 'lib'), join(root, 'lib'))
}
