/** The libraries of a libtorch, in the order in which each finds those it needs already open. */

import { dirname, join } from 'node:path'
import { entriesOf } from '../files/entries'
import { isThere } from '../files/probe'

/**
 * CUDA's libraries, which pip installs beside torch: folder of each, of which CUDA 13 has one for most, and its name. The
 * order is that of torch's own `__init__.py`: opened first, they are found before another CUDA of the system; cublasLt comes
 * before cublas, which would open the system's.
 */
const CUDA_LIBRARIES: readonly (readonly [string, string])[] = [
  ['cublas', 'cublasLt'],
  ['cublas', 'cublas'],
  ['cudnn', 'cudnn'],
  ['cuda_nvrtc', 'nvrtc'],
  ['cuda_nvrtc', 'nvrtc-builtins'],
  ['cuda_runtime', 'cudart'],
  ['cuda_cupti', 'cupti'],
  ['cufft', 'cufft'],
  ['curand', 'curand'],
  ['nvjitlink', 'nvJitLink'],
  ['cusparse', 'cusparse'],
  ['cusparselt', 'cusparseLt'],
  ['cusolver', 'cusolver'],
  ['nccl', 'nccl'],
  ['nvshmem', 'nvshmem_host'],
  ['cufile', 'cufile'],
]

const LIBRARY_NAMES: Partial<Record<NodeJS.Platform, (name: string) => string>> = {
  darwin: (name) => `lib${name}.dylib`,
  win32: (name) => `${name}.dll`,
}

/** `torch_cpu` -> `libtorch_cpu.so`, as this platform spells it. */
export function libraryName(name: string): string {
  return LIBRARY_NAMES[process.platform]?.(name) ?? `lib${name}.so`
}

export function librariesOf(directory: string): string[] {
  const threads = entriesOf(directory).filter((name) => /^lib(gomp|omp|iomp5)[-.]/.test(name))
  const wanted = ['c10', 'torch_cpu', 'c10_cuda', 'torch_cuda', 'torch'].map(libraryName)
  const own = [...threads, ...wanted].map((name) => join(directory, name))
  return [...cudaLibraries(directory), ...own.filter((path) => isThere(path))]
}

/** Whether it has the half for NVIDIA's GPUs. */
export function hasCuda(directory: string): boolean {
  return isThere(join(directory, libraryName('torch_cuda')))
}

/** Those of pip's layout, `site-packages/nvidia/…/lib` beside `site-packages/torch/lib`. Only Linux has them. */
function cudaLibraries(directory: string): string[] {
  if (process.platform !== 'linux' || !hasCuda(directory)) return []
  const nvidia = join(dirname(dirname(directory)), 'nvidia')
  const shared = entriesOf(nvidia).filter((name) => /^cu\d+$/.test(name))
  return CUDA_LIBRARIES.flatMap(([folder, name]) => {
    const library = new RegExp(`^lib${name}\\.so\\.[\\d.]*\\d$`)
    const places = [folder, ...shared].map((one) => join(nvidia, one, 'lib'))
    const found = places.flatMap((place) =>
      entriesOf(place)
        .filter((entry) => library.test(entry))
        .map((entry) => join(place, entry)),
    )
    return found.slice(0, 1)
  })
}
