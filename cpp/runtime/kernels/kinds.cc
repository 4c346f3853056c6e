#include "runtime/kernels/kinds.h"

namespace wuerstchen::runtime::kernels {

#ifdef KERNELS_X86
namespace avx2 {
extern const Kernels kFloat32, kBFloat16;
}
namespace avx512 {
extern const Kernels kFloat32, kBFloat16;
}
namespace avx512_vnni {
extern const Kernels kFloat32, kBFloat16;
}
namespace avx512_bf16 {
extern const Kernels kFloat32, kBFloat16;
}

namespace {

struct Kind {
  const Kernels* float32;
  const Kernels* bfloat16;
  bool there;
};

// The fastest first.
std::vector<Kind> AllKinds() {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl");
  const bool fours = avx512 && __builtin_cpu_supports("avx512vnni");
  const bool pairs = fours && __builtin_cpu_supports("avx512bf16");
  return {{&avx512_bf16::kFloat32, &avx512_bf16::kBFloat16, pairs},
          {&avx512_vnni::kFloat32, &avx512_vnni::kBFloat16, fours},
          {&avx512::kFloat32, &avx512::kBFloat16, avx512},
          {&avx2::kFloat32, &avx2::kBFloat16, avx2}};
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
#else
std::vector<std::string> Kinds() {
  return {};
}

const Kernels* Find(const std::string&, Number) {
  return nullptr;
}
#endif

}  // namespace wuerstchen::runtime::kernels
