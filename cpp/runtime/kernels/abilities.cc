#include "runtime/kernels/abilities.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>

#include <cstddef>
#endif

namespace wuerstchen::runtime::kernels {

#if defined(__x86_64__)
namespace {

// Linux wants to be asked before a process uses tiles: they are 8 kB more of each thread to save.
[[maybe_unused]] bool MayUseTiles() {
#if defined(__linux__)
  // As in Linux' asm/prctl.h and asm/fpu/types.h, whose older versions lack them.
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // NOLINT(runtime/int)
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace

Abilities ReadAbilities() {
  Abilities cpu;
  // These ask whether the system saves the registers, too.
  cpu.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  cpu.avx512 = cpu.avx2 && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl");
  cpu.avx512_vnni = cpu.avx512 && __builtin_cpu_supports("avx512vnni");
  cpu.avx512_bf16 = cpu.avx512_vnni && __builtin_cpu_supports("avx512bf16");
  // "Structured extended features", leaf 7.
  unsigned int eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
    cpu.amx_bf16 = (edx >> 22) & 1;
    cpu.avx512_fp16 = (edx >> 23) & 1;
  }
#if defined(EMULATE_AMX)
  cpu.amx = cpu.avx512;
#else
  const bool tiles = (edx >> 24) & 1;
  cpu.amx = cpu.avx512_bf16 && cpu.amx_bf16 && tiles && MayUseTiles();
#endif
  if (__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0) cpu.amx_fp16 = (eax >> 21) & 1;
  return cpu;
}
#elif defined(__aarch64__) && defined(__linux__)
Abilities ReadAbilities() {
  // As in Linux' asm/hwcap.h, whose older versions lack the later ones.
  constexpr unsigned long kDotProducts = 1UL << 20;                          // NOLINT(runtime/int)
  constexpr unsigned long kInt8Matrices = 1UL << 13, kBFloat16 = 1UL << 14;  // NOLINT(runtime/int)
  const auto first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  Abilities cpu;
  cpu.neon = true;
  cpu.neon_dotprod = (first & kDotProducts) != 0;
  cpu.neon_bf16 = cpu.neon_dotprod && (second & kInt8Matrices) != 0 && (second & kBFloat16) != 0;
  return cpu;
}
#elif defined(__aarch64__) && defined(__APPLE__)
Abilities ReadAbilities() {
  const auto has = [](const char* name) {
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
  };
  Abilities cpu;
  cpu.neon = true;
  cpu.neon_dotprod = has("hw.optional.arm.FEAT_DotProd");
  cpu.neon_bf16 =
      cpu.neon_dotprod && has("hw.optional.arm.FEAT_I8MM") && has("hw.optional.arm.FEAT_BF16");
  return cpu;
}
#else
Abilities ReadAbilities() {
  return {};
}
#endif

}  // namespace wuerstchen::runtime::kernels
