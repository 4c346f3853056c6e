// Which libtorch this is and what the CPU can do.
#include <ATen/Version.h>
#include <torch/version.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstdint>

#include "runtime/kernels/kinds.h"
#include "runtime/runtime.h"

// Declared here and not by its header so that it may be absent: `weak` makes it null then.
extern "C" __attribute__((weak)) uint64_t aoti_torch_abi_version();

namespace wuerstchen::runtime {
namespace {

std::string RuntimeVersion() {
  if (aoti_torch_abi_version == nullptr) return TORCH_VERSION;
  const uint64_t version = aoti_torch_abi_version();
  const auto part = [version](int shift) { return std::to_string((version >> shift) & 0xff); };
  return part(56) + "." + part(48) + "." + part(40);
}

// Intel's and AMD's "structured extended features", leaf 7.
struct Features {
  bool avx512_bf16 = false, amx_bf16 = false, avx512_fp16 = false, amx_fp16 = false;
};

Features ReadFeatures() {
  Features features;
#if defined(__x86_64__)
  unsigned int eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
    features.amx_bf16 = (edx >> 22) & 1;
    features.avx512_fp16 = (edx >> 23) & 1;
  }
  if (__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0) {
    features.avx512_bf16 = (eax >> 5) & 1;
    features.amx_fp16 = (eax >> 21) & 1;
  }
#endif
  return features;
}

}  // namespace

Platform DescribePlatform() {
  const auto features = ReadFeatures();
  return {TORCH_VERSION,
          RuntimeVersion(),
          at::get_cpu_capability(),
          kernels::Kinds(),
          features.avx512_bf16 || features.amx_bf16,
          features.avx512_fp16 || features.amx_fp16,
          features.amx_bf16};
}

}  // namespace wuerstchen::runtime
