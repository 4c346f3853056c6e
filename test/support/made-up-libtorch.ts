/** Archives that are laid out as the official ones, with libraries that nobody could open. */
import type { Build } from '../../lib/libtorch/builds'
import { libraryName } from '../../lib/libtorch/libraries'
import { TARGET } from '../../lib/libtorch/runtimes'
import { sha256 } from './loopback-hub'
import { type ZipFile, zipOf } from './zip'

const text = (name: string, content: string): ZipFile => ({ name, bytes: Buffer.from(content) })

/** A wheel of torch; `library` is what its libtorch_cpu is made of, `others` other libraries. */
export function wheelOf(
  version = '2.13.0+cpu',
  library: Buffer = Buffer.from('library'),
  more: readonly ZipFile[] = [],
  others: Readonly<Record<string, Buffer>> = {},
): Buffer {
  return zipOf([
    text('torch/__init__.py', 'import nothing'),
    text('torch/version.py', `__version__ = '${version}'\n`),
    { name: `torch/lib/${libraryName('torch_cpu')}`, bytes: library, stored: true },
    { name: `torch/lib/${libraryName('c10')}`, bytes: others[libraryName('c10')] ?? Buffer.from('c10') },
    text('torch/lib/libgomp.so.1', 'gomp'),
    text(`torch/lib/${libraryName('torch_python')}`, 'python'),
    text(`torch/lib/${libraryName('shm')}`, 'shm'),
    text('torch/include/torch.h', 'header'),
    text('torch-2.13.0.dist-info/licenses/LICENSE', 'license'),
    text('torch-2.13.0.dist-info/RECORD', 'record'),
    ...more,
  ])
}

export function buildOf(
  endpoint: string,
  archives: Readonly<Record<string, Buffer>>,
  flavour: Build['flavour'] = 'cpu',
): Build {
  return {
    flavour,
    target: TARGET,
    version: '2.13.0',
    archives: Object.entries(archives).map(([path, bytes]) => ({
      url: `${endpoint}${path}`,
      size: bytes.length,
      sha256: sha256(bytes),
    })),
  }
}
