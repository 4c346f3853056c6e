// What this CPU can do, as far as kernels ask.
#ifndef CPP_RUNTIME_KERNELS_ABILITIES_H_
#define CPP_RUNTIME_KERNELS_ABILITIES_H_

namespace wuerstchen::runtime::kernels {

// The first ones are named as the kinds of kernels that need them.
struct Abilities {
  bool avx2 = false, avx512 = false, avx512_vnni = false, avx512_bf16 = false, amx = false;
  bool neon = false, neon_dotprod = false, neon_bf16 = false;
  bool amx_bf16 = false, amx_fp16 = false, avx512_fp16 = false;
};

Abilities ReadAbilities();

}  // namespace wuerstchen::runtime::kernels

#endif  // CPP_RUNTIME_KERNELS_ABILITIES_H_
