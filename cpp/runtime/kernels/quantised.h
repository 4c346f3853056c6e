// Products with weights of 8 bits. Each column of a panel has a scale of its own, and each row of
// the left side gets one for every pass: 16 bits, so that its rounding hardly counts beside that of
// the weights. The sums of a pass are exact in 32 bits; what passes give is added in float32.
#ifndef CPP_RUNTIME_KERNELS_QUANTISED_H_
#define CPP_RUNTIME_KERNELS_QUANTISED_H_

#include "runtime/kernels/operands.h"
#include "runtime/kernels/tile.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

constexpr float kWeightLimit = 127;
constexpr float kLeftLimit = 32767;
static_assert(kWeightLimit * kLeftLimit * kDepthBlock < 2147483648.0, "a pass fits 32 bits");

typedef int16_t PairVec
    __attribute__((vector_size(4 * kLanes)));  // two neighbours of the depth in each lane
typedef int8_t BytePairVec __attribute__((vector_size(2 * kLanes)));

// a[2i] * b[2i] + a[2i + 1] * b[2i + 1]
KERNEL_INLINE IntVec MultiplyPairs(PairVec a, PairVec b) {
#if KERNEL_LANES == 16
  return reinterpret_cast<IntVec>(
      _mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#else
  return reinterpret_cast<IntVec>(
      _mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#endif
}

KERNEL_INLINE PairVec LoadPairs(const int8_t* from) {
  BytePairVec narrow;
  std::memcpy(&narrow, from, sizeof narrow);
  return __builtin_convertvector(narrow, PairVec);
}

KERNEL_INLINE PairVec FillPairs(const int16_t* from) {
  int32_t pair;
  std::memcpy(&pair, from, sizeof pair);
  return reinterpret_cast<PairVec>(pair - IntVec{});
}

KERNEL_INLINE float Largest(const float* from, int64_t count, int64_t stride) {
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float value = __builtin_fabsf(from[i * stride]);
    largest = value > largest ? value : largest;
  }
  return largest;
}

// The nearest integer, as the low bits of what it returns.
KERNEL_INLINE int32_t Rounded(float value) {
  const float shifted = value + 12582912;  // 1.5 * 2^23
  int32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  return bits;
}

// One panel: a scale for each of its columns, then pairs of neighbours of the depth, column after
// column.
void QuantisePanel(const float* panel, int64_t depth, int8_t* to) {
  auto* const scales = reinterpret_cast<float*>(to);
  int8_t* const pairs = to + kPanel * sizeof(float);
  for (int64_t column = 0; column < kPanel; ++column) {
    const float largest = Largest(panel + column, depth, kPanel);
    const float inverse = largest > 0 ? kWeightLimit / largest : 0;
    scales[column] = largest / kWeightLimit;
    for (int64_t i = 0; i < depth; ++i) {
      const auto rounded = static_cast<int8_t>(Rounded(panel[i * kPanel + column] * inverse));
      pairs[i / 2 * 2 * kPanel + 2 * column + i % 2] = rounded;
    }
  }
}

// Where the panel of a pass lies.
KERNEL_INLINE const int8_t* QuantisedPanel(const void* packed, int64_t columns, int64_t start,
                                           int64_t depth, int64_t panel) {
  const auto* const pass = static_cast<const int8_t*>(packed) + QuantisedBytes(columns, start);
  return pass + panel * QuantisedBytes(kPanel, depth);
}

void Quantise(const PackedPart& part, void* packed) {
  float panel[kDepthBlock * kPanel];
  for (int64_t start = 0; start < part.depth; start += kDepthBlock) {
    const int64_t left = part.depth - start;
    const int64_t depth = left < kDepthBlock ? left : kDepthBlock;
    for (int64_t column = 0; column < part.columns; column += kPanel) {
      FillPanel(part.weight, column, start, depth, panel);
      const int64_t place = (part.first_column + column) / kPanel;
      QuantisePanel(
          panel, depth,
          const_cast<int8_t*>(QuantisedPanel(packed, part.all_columns, start, depth, place)));
    }
  }
}

// Rows of 16 bits, kDepthBlock apart, and the scale of each.
struct QuantisedLeft {
  int16_t* rows;
  float* scales;
};

// In the scratch memory of a product, behind room for one row in float32.
KERNEL_INLINE QuantisedLeft QuantisedLeftIn(float* scratch) {
  return {reinterpret_cast<int16_t*>(scratch + kDepthBlock + kRowBlock), scratch + kDepthBlock};
}

void QuantiseLeft(const Segment& segment, int64_t rows, int64_t start, int64_t depth,
                  const QuantisedLeft& left, float* row_scratch) {
  for (int64_t row = 0; row < rows; ++row) {
    CopyLeft(segment, row, row + 1, start, depth, row_scratch);
    const float largest = Largest(row_scratch, depth, 1);
    const float inverse = largest > 0 ? kLeftLimit / largest : 0;
    left.scales[row] = largest / kLeftLimit;
    int16_t* const to = left.rows + row * kDepthBlock;
    for (int64_t i = 0; i < depth; ++i)
      to[i] = static_cast<int16_t>(Rounded(row_scratch[i] * inverse));
  }
}

struct QuantisedOperands {
  int64_t depth;
  QuantisedLeft left;
  const int8_t* right;

  template <int Rows>
  KERNEL_MEMBER void Multiply(Vec (&sums)[Rows][2], const Sums& before) const {
    IntVec exact[Rows][2] = {};
    const int16_t* pair = left.rows;
    const int8_t* panel = right + kPanel * sizeof(float);
    for (int64_t i = 0; i < depth; i += 2) {
      const PairVec first = LoadPairs(panel), second = LoadPairs(panel + kPanel);
#pragma GCC unroll 16
      for (int row = 0; row < Rows; ++row) {
        const PairVec factor = FillPairs(pair + row * kDepthBlock);
        exact[row][0] += MultiplyPairs(factor, first);
        exact[row][1] += MultiplyPairs(factor, second);
      }
      pair += 2;
      panel += 2 * kPanel;
    }
    Start(sums, before);
    const auto* const scales = reinterpret_cast<const float*>(right);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const Vec scale = Load(scales + half * kLanes);
#pragma GCC unroll 16
      for (int row = 0; row < Rows; ++row) {
        sums[row][half] +=
            __builtin_convertvector(exact[row][half], Vec) * (left.scales[row] * scale);
      }
    }
  }
  KERNEL_MEMBER void SkipRows(int64_t rows) {
    left.rows += rows * kDepthBlock;
    left.scales += rows;
  }
};

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_QUANTISED_H_
