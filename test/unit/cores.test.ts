/** What a machine's own files say, in a folder that stands for its root. */
import { availableParallelism } from 'node:os'
import { usableCores } from '../../lib/native/cores'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

const STATUS = 'proc/self/status'
const GROUP = 'proc/self/cgroup'
const GROUPS = 'sys/fs/cgroup'

/** 8 threads of hardware in 4 cores: 0 and 4 are siblings, 1 and 5, ... */
const topology = Object.fromEntries(
  Array.from({ length: 8 }, (_, cpu) => [
    `sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`,
    `${cpu % 4},${(cpu % 4) + 4}\n`,
  ]),
)
const cores = (files: Record<string, string>, known = 8) => usableCores(folderOf(files), known)
const allowed = (list: string) => ({ [STATUS]: `Name:\tnode\nCpus_allowed_list:\t${list}\n` })

describe('usableCores()', () => {
  it('is what Node says where there is nothing to read', () => {
    expect(cores({}, 6)).toBe(6)
  })

  it('counts siblings once, and only those that this process may run on', () => {
    expect(cores({ ...topology, ...allowed('0-7') })).toBe(4)
    expect(cores({ ...topology, ...allowed('0-2,5') })).toBe(3) // 5 is a sibling of 1
    expect(cores(allowed('0-2,5'))).toBe(4)
  })

  it.each([
    ['no limit', '0::/\n', { [`${GROUPS}/cpu.max`]: 'max 100000\n' }, 8],
    ['of a container', '0::/\n', { [`${GROUPS}/cpu.max`]: '250000 100000\n' }, 2],
    ['less than a core', '0::/\n', { [`${GROUPS}/cpu.max`]: '50000 100000\n' }, 1],
    ['of a group above', '0::/pod/box\n', { [`${GROUPS}/pod/cpu.max`]: '300000 100000\n' }, 3],
    [
      'of version 1',
      '4:memory:/box\n3:cpu,cpuacct:/box\n',
      {
        [`${GROUPS}/cpu,cpuacct/box/cpu.cfs_quota_us`]: '400000\n',
        [`${GROUPS}/cpu,cpuacct/box/cpu.cfs_period_us`]: '100000\n',
      },
      4,
    ],
    [
      'none of version 1',
      '3:cpu:/\n',
      { [`${GROUPS}/cpu/cpu.cfs_quota_us`]: '-1\n', [`${GROUPS}/cpu/cpu.cfs_period_us`]: '100000\n' },
      8,
    ],
    ['that is damaged', '0::/\n', { [`${GROUPS}/cpu.max`]: 'x\n' }, 8],
  ])('keeps to a quota: %s', (_, group, files, wanted) => {
    expect(cores({ [GROUP]: group, ...files })).toBe(wanted)
  })

  it('is from 1 to what Node says on this machine', () => {
    expect(usableCores()).toBeGreaterThanOrEqual(1)
    expect(usableCores()).toBeLessThanOrEqual(availableParallelism())
  })
})
