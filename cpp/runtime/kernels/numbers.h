// The numbers that maps and weights are made of: how they become float32, and float32 becomes them.
#ifndef CPP_RUNTIME_KERNELS_NUMBERS_H_
#define CPP_RUNTIME_KERNELS_NUMBERS_H_

#include <type_traits>

#include "runtime/kernels/vector.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

// The upper half of a float32.
struct BFloat16 {
  uint16_t bits;
};

// Of the stored numbers alone; bits, as not every compiler has a type for them.
struct Float16 {
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

KERNEL_INLINE float Widen(Float16 value) {
#if KERNEL_ARM
  __fp16 narrow;
  std::memcpy(&narrow, &value, sizeof narrow);
  return static_cast<float>(narrow);
#else
  return _cvtsh_ss(value.bits);
#endif
}

KERNEL_INLINE Vec Load(const BFloat16* from) {
  ShortVec narrow;
  std::memcpy(&narrow, from, sizeof narrow);
  return reinterpret_cast<Vec>(__builtin_convertvector(narrow, BitsVec) << 16);
}

// The bits of bfloat16: of the nearest, of two equally near ones the even one; NaN stays NaN.
KERNEL_INLINE BitsVec Narrowed(Vec value) {
  BitsVec bits;
  std::memcpy(&bits, &value, sizeof bits);
  const BitsVec rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return value == value ? rounded : (bits >> 16 | 0x40);
}

KERNEL_INLINE void Store(BFloat16* to, Vec value) {
#if KERNEL_PAIRS && KERNEL_ARM
  const auto narrow = vget_low_bf16(vcvtq_low_bf16_f32(reinterpret_cast<float32x4_t>(value)));
#elif KERNEL_PAIRS
  const auto narrow = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(value));
#else
  const ShortVec narrow = __builtin_convertvector(Narrowed(value), ShortVec);
#endif
  std::memcpy(to, &narrow, sizeof narrow);
}

// A panel's width of neighbours, the even and the odd ones: no more work than half as many.
struct EvenOdd {
  Vec even, odd;
};

KERNEL_INLINE EvenOdd LoadEvenOdd(const BFloat16* from) {
  BitsVec pairs;
  std::memcpy(&pairs, from, sizeof pairs);
  return {reinterpret_cast<Vec>(pairs << 16), reinterpret_cast<Vec>(pairs & 0xffff0000)};
}

KERNEL_INLINE void StoreEvenOdd(BFloat16* to, const EvenOdd& value) {
#if KERNEL_PAIRS && KERNEL_ARM
  const auto even = vget_low_bf16(vcvtq_low_bf16_f32(reinterpret_cast<float32x4_t>(value.even)));
  const auto odd = vget_low_bf16(vcvtq_low_bf16_f32(reinterpret_cast<float32x4_t>(value.odd)));
  const auto mixed = vzip_u16(vreinterpret_u16_bf16(even), vreinterpret_u16_bf16(odd));
  const auto pairs = vcombine_u16(mixed.val[0], mixed.val[1]);
#elif KERNEL_PAIRS
  alignas(64) static constexpr uint16_t kOrder[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                      21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                      11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const auto halves = _mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(value.odd),
                                          reinterpret_cast<__m512>(value.even));
  const auto pairs =
      _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), reinterpret_cast<__m512i>(halves));
#else
  const BitsVec pairs = Narrowed(value.even) | Narrowed(value.odd) << 16;
#endif
  std::memcpy(to, &pairs, sizeof pairs);
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

// A number of one kind as one of another.
template <typename To, typename From>
KERNEL_INLINE To As(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else {
    To narrow;
    Store(&narrow, Widen(value));
    return narrow;
  }
}

// As exact as the numbers are that the result is rounded to.
template <typename Number>
KERNEL_INLINE Vec GeluFor(Vec x) {
  return sizeof(Number) == sizeof(float) ? Gelu(x) : RoughGelu(x);
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_NUMBERS_H_
