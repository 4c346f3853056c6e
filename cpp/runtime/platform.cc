// Which libtorch this is and what the CPU can do.
#include <ATen/Version.h>
#include <torch/version.h>

#include <cstdint>

#include "runtime/kernels/abilities.h"
#include "runtime/kernels/kinds.h"
#include "runtime/runtime.h"

#ifdef _WIN32
#include "platform/library.h"
#else
// Declared here and not by its header so that it may be absent: `weak` makes it null then.
extern "C" __attribute__((weak)) uint64_t aoti_torch_abi_version();
#endif

namespace wuerstchen::runtime {
namespace {

using AbiVersion = uint64_t (*)();

AbiVersion FindAbiVersion() {
#ifdef _WIN32
  // Without weak symbols.
  const auto library = platform::FindLibrary("torch_cpu.dll");
  if (library == nullptr) return nullptr;
  return reinterpret_cast<AbiVersion>(platform::SymbolOf(library, "aoti_torch_abi_version"));
#else
  return aoti_torch_abi_version;
#endif
}

std::string RuntimeVersion() {
  const auto abi_version = FindAbiVersion();
  if (abi_version == nullptr) return TORCH_VERSION;
  const uint64_t version = abi_version();
  const auto part = [version](int shift) { return std::to_string((version >> shift) & 0xff); };
  return part(56) + "." + part(48) + "." + part(40);
}

}  // namespace

Platform DescribePlatform() {
  const auto cpu = kernels::ReadAbilities();
  return {TORCH_VERSION,
          RuntimeVersion(),
          at::get_cpu_capability(),
          kernels::Kinds(),
          cpu.avx512_bf16 || cpu.amx_bf16 || cpu.neon_bf16,
          cpu.avx512_fp16 || cpu.amx_fp16};
}

}  // namespace wuerstchen::runtime
