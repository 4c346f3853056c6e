// The numbers that maps and weights are made of: how they become float32, and float32 becomes them.
#ifndef CPP_RUNTIME_KERNELS_NUMBERS_H_
#define CPP_RUNTIME_KERNELS_NUMBERS_H_

#include "runtime/kernels/vector.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

// The upper half of a float32.
struct BFloat16 {
  uint16_t bits;
};

typedef uint32_t BitsVec __attribute__((vector_size(4 * kLanes)));

KERNEL_INLINE float Widen(float value) {
  return value;
}

KERNEL_INLINE float Widen(BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

KERNEL_INLINE float Widen(_Float16 value) {
  return static_cast<float>(value);
}

KERNEL_INLINE Vec Load(const BFloat16* from) {
  ShortVec narrow;
  std::memcpy(&narrow, from, sizeof narrow);
  return reinterpret_cast<Vec>(__builtin_convertvector(narrow, BitsVec) << 16);
}

// To the nearest, of two equally near ones to the even one; NaN stays NaN.
KERNEL_INLINE void Store(BFloat16* to, Vec value) {
#if KERNEL_PAIRS
  const auto narrow = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(value));
#else
  BitsVec bits;
  std::memcpy(&bits, &value, sizeof bits);
  const BitsVec rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const ShortVec narrow =
      __builtin_convertvector(value == value ? rounded : (bits >> 16 | 0x40), ShortVec);
#endif
  std::memcpy(to, &narrow, sizeof narrow);
}

KERNEL_INLINE void Store(float* to, float value) {
  *to = value;
}

KERNEL_INLINE void Store(BFloat16* to, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const bool nan = (bits & 0x7fffffff) > 0x7f800000;
  const uint32_t rounded = nan ? bits >> 16 | 0x40 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  to->bits = static_cast<uint16_t>(rounded);
}

// As exact as the numbers are that the result is rounded to.
template <typename Number>
KERNEL_INLINE Vec GeluFor(Vec x) {
  return sizeof(Number) == sizeof(float) ? Gelu(x) : RoughGelu(x);
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_NUMBERS_H_
