#include "runtime/kernels/kinds.h"

#include "runtime/kernels/abilities.h"

#if defined(KERNELS_X86)
#define KERNEL_KINDS(DO) DO(amx) DO(avx512_bf16) DO(avx512_vnni) DO(avx512) DO(avx2)
#elif defined(KERNELS_ARM)
#define KERNEL_KINDS(DO) DO(neon_bf16) DO(neon_dotprod) DO(neon)
#else
#define KERNEL_KINDS(DO)
#endif

namespace wuerstchen::runtime::kernels {

#define DECLARE(kind)                       \
  namespace kind {                          \
  extern const Kernels kFloat32, kBFloat16; \
  }
KERNEL_KINDS(DECLARE)
#undef DECLARE

namespace {

struct Kind {
  const Kernels* float32;
  const Kernels* bfloat16;
  bool there;
};

// The fastest first.
std::vector<Kind> AllKinds() {
  [[maybe_unused]] const auto cpu = ReadAbilities();
  return {
#define LIST(kind) {&kind::kFloat32, &kind::kBFloat16, cpu.kind},
      KERNEL_KINDS(LIST)
#undef LIST
  };
}

}  // namespace

std::vector<std::string> Kinds() {
  std::vector<std::string> names;
  for (const auto& kind : AllKinds()) {
    if (kind.there) names.emplace_back(kind.float32->name);
  }
  return names;
}

const Kernels* Find(const std::string& name, Number number) {
  for (const auto& kind : AllKinds()) {
    if (!kind.there || name != kind.float32->name) continue;
    return number == Number::kFloat32 ? kind.float32 : kind.bfloat16;
  }
  return nullptr;
}

}  // namespace wuerstchen::runtime::kernels
