// A vector register of floats and the functions that the kernels need, for whatever width this file
// is compiled for.
#ifndef CPP_RUNTIME_KERNELS_VECTOR_H_
#define CPP_RUNTIME_KERNELS_VECTOR_H_

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#else
#include <arm_neon.h>
#endif

#include <cstdint>
#include <cstring>

#define KERNEL_INLINE static inline __attribute__((always_inline))
#define KERNEL_MEMBER inline __attribute__((always_inline))
#ifndef KERNEL_AMX
#define KERNEL_AMX 0
#endif

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

constexpr int kLanes = KERNEL_LANES;
constexpr int64_t kPanel = 2 * kLanes;
// Rows of a tile: two accumulators each, and what is left of the registers for the operands.
#if KERNEL_ARM
constexpr int kTile = 10;  // see lanes.h: eight registers of columns, and one or two of rows
#else
constexpr int kTile = KERNEL_REGISTERS == 32 ? 14 : 6;
#endif

typedef float Vec __attribute__((vector_size(4 * kLanes)));
typedef float VecAnywhere __attribute__((vector_size(4 * kLanes), aligned(4)));
typedef int32_t IntVec __attribute__((vector_size(4 * kLanes)));
typedef uint16_t ShortVec __attribute__((vector_size(2 * kLanes)));
typedef int16_t SignedShortVec __attribute__((vector_size(2 * kLanes)));
typedef uint8_t ByteVec __attribute__((vector_size(kLanes)));

KERNEL_INLINE Vec Load(const float* from) {
  return *reinterpret_cast<const VecAnywhere*>(from);
}

KERNEL_INLINE void Store(float* to, Vec value) {
  *reinterpret_cast<VecAnywhere*>(to) = value;
}

// 32 bits a lane, whatever they mean.
KERNEL_INLINE IntVec LoadBits(const void* from) {
  IntVec bits;
  std::memcpy(&bits, from, sizeof bits);
  return bits;
}

KERNEL_INLINE IntVec FillBits(const void* from) {
  int32_t bits;
  std::memcpy(&bits, from, sizeof bits);
  return bits - IntVec{};
}

KERNEL_INLINE Vec Fill(float value) {
  return value - Vec{};  // minus zero changes no number, not even -0
}

KERNEL_INLINE Vec Max(Vec a, Vec b) {
  return a > b ? a : b;
}

KERNEL_INLINE Vec Min(Vec a, Vec b) {
  return a < b ? a : b;
}

KERNEL_INLINE float Sum(Vec value) {
  float sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += value[lane];
  return sum;
}

// x P(x^2) / Q(x^2), fitted on [0, 4] to a relative error of 2.5e-8 before rounding; beyond 4 it is
// 1 in float32.
KERNEL_INLINE Vec Erf(Vec x) {
  x = Min(Max(x, Fill(-4)), Fill(4));
  const Vec t = x * x;
  Vec p = 1.986779586e-06f * t + 2.845662255e-04f;
  p = p * t + 3.883359293e-03f;
  p = p * t + 5.310179443e-02f;
  p = p * t + 1.935454207e-01f;
  p = p * t + 1.128379139e+00f;
  Vec q = 3.742016276e-05f * t + 1.185574785e-03f;
  q = q * t + 1.520728234e-02f;
  q = q * t + 1.153501491e-01f;
  q = q * t + 5.048577187e-01f;
  q = q * t + 1.0f;
  return x * p / q;
}

KERNEL_INLINE Vec Gelu(Vec x) {
  const Vec half = 0.5f * x;
  return half * Erf(0.707106781186547524f * x) + half;
}

// x / 2 + |x| q(|x|), off by 1.3e-4 at most, far below a rounding to 8 bits, in less than half of
// the time. q is the error function's half, constant beyond 4.
KERNEL_INLINE Vec RoughGelu(Vec x) {
#if KERNEL_LANES == 16
  // A parabola for each of 16 parts, which is what one register can be asked for at once.
  alignas(64) static constexpr float kSquare[16] = {
      -0.011922867f,   -0.0495971255f,  -0.0897720978f, -0.114022791f,
      -0.120457202f,   -0.111599974f,   -0.0928776786f, -0.070311673f,
      -0.0487855636f,  -0.0311758518f,  -0.0184099488f, -0.0100698769f,
      -0.00511085475f, -0.00241011684f, -0.0010570772f, 0.00350721856f};
  alignas(64) static constexpr float kLinear[16] = {
      0.399417996f,  0.410725445f,  0.441326708f,   0.471940875f,  0.482883096f, 0.461769432f,
      0.408279926f,  0.332433552f,  0.249114975f,   0.171949208f,  0.109468587f, 0.0643722191f,
      0.0350129493f, 0.0176370014f, 0.00823696982f, -0.0269405637f};
  alignas(64) static constexpr float kConstant[16] = {
      0.0f,           -0.000869782059f, -0.00675041741f, -0.0164405946f,
      -0.0210827887f, -0.00849570427f,  0.029733533f,    0.0934960172f,
      0.174148366f,   0.258707345f,     0.335174739f,    0.396146864f,
      0.43960771f,    0.467559367f,     0.483887315f,    0.551646769f};
  constexpr int kLesserWithoutSign = 0x0a;
  const auto t =
      _mm512_range_ps(reinterpret_cast<__m512>(x), _mm512_set1_ps(4), kLesserWithoutSign);
  // Adding 1.5 * 2^23 leaves the number of the part in the lowest bits.
  const auto part =
      _mm512_castps_si512(_mm512_fmadd_ps(t, _mm512_set1_ps(3.87f), _mm512_set1_ps(12582912)));
  auto q = _mm512_permutexvar_ps(part, _mm512_load_ps(kSquare));
  q = _mm512_fmadd_ps(q, t, _mm512_permutexvar_ps(part, _mm512_load_ps(kLinear)));
  q = _mm512_fmadd_ps(q, t, _mm512_permutexvar_ps(part, _mm512_load_ps(kConstant)));
  const auto size = _mm512_abs_ps(reinterpret_cast<__m512>(x));
  return reinterpret_cast<Vec>(_mm512_fmadd_ps(size, q, reinterpret_cast<__m512>(0.5f * x)));
#else
  const Vec c = Min(Max(x, Fill(-4)), Fill(4));
  const Vec t = c * c;
  Vec p = -4.400534381332477e-10f * t + 5.065951924621004e-08f;
  p = p * t - 2.3134371076594107e-06f;
  p = p * t + 5.744535883422941e-05f;
  p = p * t - 8.831478771753609e-04f;
  p = p * t + 9.041122160851955e-03f;
  p = p * t - 6.50666132569313e-02f;
  p = p * t + 3.981880843639374e-01f;
  return x * (c * p + 0.5f);
#endif
}

// e^x for x <= 0: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2].
KERNEL_INLINE Vec ExpOfNegative(Vec x) {
  x = Max(x, Fill(-87));
  constexpr float kRound = 12582912;  // 1.5 * 2^23: adding it rounds to an integer
  const Vec shifted = x * 1.44269504088896341f + kRound;
  const Vec n = shifted - kRound;
  const Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vec p = 1.9875691500e-4f * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  IntVec bits, exponent;
  std::memcpy(&bits, &p, sizeof bits);
  std::memcpy(&exponent, &shifted, sizeof exponent);
  bits += exponent << 23;  // the low bits of `shifted` are n; what is above them is shifted out
  std::memcpy(&p, &bits, sizeof p);
  return p;
}

// 2^x for x <= 0, off by 7.5e-5 of it at most: enough for what is rounded to 8 bits.
KERNEL_INLINE Vec RoughExp2OfNegative(Vec x) {
#if KERNEL_LANES == 16
  const auto value = reinterpret_cast<__m512>(x);
  const auto n = _mm512_roundscale_ps(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Vec r = x - reinterpret_cast<Vec>(n);
#else
  x = Max(x, Fill(-126));
  constexpr float kRound = 12582912;  // as in ExpOfNegative
  const Vec shifted = x + kRound;
  const Vec r = x - (shifted - kRound);
#endif
  Vec p = 0.0551716685295105f * r + 0.2426111251115799f;
  p = p * r + 0.6932609677314758f;
  p = p * r + 0.9999280571937561f;
#if KERNEL_LANES == 16
  return reinterpret_cast<Vec>(_mm512_scalef_ps(reinterpret_cast<__m512>(p), n));
#else
  IntVec bits, exponent;
  std::memcpy(&bits, &p, sizeof bits);
  std::memcpy(&exponent, &shifted, sizeof exponent);
  bits += exponent << 23;
  std::memcpy(&p, &bits, sizeof p);
  return p;
#endif
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_VECTOR_H_
