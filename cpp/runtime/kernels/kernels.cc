#include "runtime/kernels/kernels.h"

namespace wuerstchen::runtime::kernels {

#ifdef KERNELS_X86
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}

const Kernels* Best() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    return &avx512::kKernels;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &avx2::kKernels;
  return nullptr;
}
#else
const Kernels* Best() {
  return nullptr;
}
#endif

}  // namespace wuerstchen::runtime::kernels
