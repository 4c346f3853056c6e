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
static_assert(kWeightLimit * kLeftLimit * kPassDepth < 2147483648.0, "a pass fits 32 bits");

typedef int16_t PairVec
    __attribute__((vector_size(4 * kLanes)));  // two neighbours of the depth in each lane
typedef int8_t BytePairVec __attribute__((vector_size(2 * kLanes)));

// sums[i] + a[2i] * b[2i] + a[2i + 1] * b[2i + 1]
KERNEL_INLINE IntVec AddPairs(IntVec sums, PairVec a, PairVec b) {
#if KERNEL_ARM
  const auto left = reinterpret_cast<int16x8_t>(a), right = reinterpret_cast<int16x8_t>(b);
  const auto low = vmull_s16(vget_low_s16(left), vget_low_s16(right));
  return sums + reinterpret_cast<IntVec>(vpaddq_s32(low, vmull_high_s16(left, right)));
#elif KERNEL_FOURS
  return reinterpret_cast<IntVec>(_mm512_dpwssd_epi32(
      reinterpret_cast<__m512i>(sums), reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif KERNEL_LANES == 16
  return sums + reinterpret_cast<IntVec>(
                    _mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#else
  return sums + reinterpret_cast<IntVec>(
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

// The largest size of a column of a panel; NaN if there is one.
KERNEL_INLINE float LargestOfColumn(const float* column, int64_t depth) {
  float largest = 0, none = 0;
  for (int64_t i = 0; i < depth; ++i) {
    const float value = __builtin_fabsf(column[i * kPanel]);
    largest = value > largest ? value : largest;
    none += value * 0.0f;  // NaN stays
  }
  return largest + none;
}

// The least and the largest of a row of whole vectors and zero; NaN if there is one.
struct Range {
  float least, largest;
};

KERNEL_INLINE Range RangeOf(const float* row, int64_t depth) {
  Vec least{}, largest{}, none{};
  for (int64_t i = 0; i < depth; i += kLanes) {
    const Vec value = Load(row + i);
    least = Min(value, least);
    largest = Max(value, largest);
    none += value * 0.0f;
  }
  Range range{0, 0};
  for (int lane = 0; lane < kLanes; ++lane) {
    range.least = least[lane] < range.least ? least[lane] : range.least;
    range.largest = largest[lane] > range.largest ? largest[lane] : range.largest;
  }
  const float nan = Sum(none);
  return {range.least + nan, range.largest + nan};
}

// The nearest integers, as the low bits of what it returns.
KERNEL_INLINE IntVec Rounded(Vec value) {
  const Vec shifted = value + 12582912.0f;  // 1.5 * 2^23
  IntVec bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  return bits;
}

// The nearest integer, as the low bits of what it returns.
KERNEL_INLINE int32_t Rounded(float value) {
  const float shifted = value + 12582912;  // 1.5 * 2^23
  int32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  return bits;
}

// Rounds one column of a panel to 8 bits, kGroup neighbours of the depth side by side, the same of
// all columns together. Returns the scale, and adds up what it wrote.
template <int kGroup>
KERNEL_INLINE float RoundColumn(const float* panel, int64_t column, int64_t depth, int8_t* to,
                                int32_t* sum) {
  const float largest = LargestOfColumn(panel + column, depth);
  const float inverse = largest > 0 ? kWeightLimit / largest : 0;
  for (int64_t i = 0; i < depth; ++i) {
    const auto rounded = static_cast<int8_t>(Rounded(panel[i * kPanel + column] * inverse));
    to[i / kGroup * kGroup * kPanel + kGroup * column + i % kGroup] = rounded;
    *sum += rounded;
  }
  return largest / kWeightLimit;
}

// `fill(panel, start, depth, place)` for each panel of each pass, in float32: the pass begins with
// number `start` of the depth, and the panel is number `place` of the whole weight.
template <typename Fill>
void ForEachPanel(const PackArgs& part, const Fill& fill) {
  float panel[kPassDepth * kPanel];
  for (int64_t start = 0; start < part.depth; start += kPassDepth) {
    const int64_t left = part.depth - start;
    const int64_t depth = left < kPassDepth ? left : kPassDepth;
    for (int64_t column = 0; column < part.columns; column += kPanel) {
      FillPanel(part.weight, column, start, depth, panel);
      fill(panel, start, depth, (part.first_column + column) / kPanel);
    }
  }
}

// Where the panel of a pass lies: a scale for each of its columns, then its numbers in pairs.
KERNEL_INLINE int64_t QuantisedPlace(int64_t columns, int64_t start, int64_t depth, int64_t panel) {
  return QuantisedBytes(columns, start) + panel * QuantisedBytes(kPanel, depth);
}

void Quantise(const PackArgs& part, void* packed) {
  ForEachPanel(part, [&](const float* panel, int64_t start, int64_t depth, int64_t place) {
    char* const to =
        static_cast<char*>(packed) + QuantisedPlace(part.all_columns, start, depth, place);
    auto* const scales = reinterpret_cast<float*>(to);
    auto* const pairs = reinterpret_cast<int8_t*>(scales + kPanel);
    for (int64_t column = 0; column < kPanel; ++column) {
      int32_t sum = 0;
      scales[column] = RoundColumn<2>(panel, column, depth, pairs, &sum);
    }
  });
}

// Rows of 16 bits, kPassDepth apart, and the scale of each.
struct QuantisedLeft {
  int16_t* rows;
  float* scales;
};

// In the scratch memory of a product, behind room for one row in float32.
KERNEL_INLINE QuantisedLeft QuantisedLeftIn(float* scratch) {
  return {reinterpret_cast<int16_t*>(scratch + kPassDepth + kChunkRows), scratch + kPassDepth};
}

void QuantiseLeft(const Segment& segment, int64_t rows, int64_t start, int64_t depth,
                  const QuantisedLeft& left, float* row_scratch) {
  const int64_t padded = (depth + kLanes - 1) / kLanes * kLanes;
  for (int64_t i = depth; i < padded; ++i) row_scratch[i] = 0;
  for (int64_t row = 0; row < rows; ++row) {
    CopyLeft(segment, row, row + 1, start, depth, row_scratch);
    const auto [least, most] = RangeOf(row_scratch, padded);
    const float largest = most > -least ? most : -least;  // NaN where either is
    const float inverse = largest > 0 ? kLeftLimit / largest : 0;
    left.scales[row] = largest / kLeftLimit;
    int16_t* const to = left.rows + row * kPassDepth;
    for (int64_t i = 0; i < padded; i += kLanes) {
      const auto narrow =
          __builtin_convertvector(Rounded(Load(row_scratch + i) * inverse), SignedShortVec);
      std::memcpy(to + i, &narrow, sizeof narrow);
    }
  }
}

struct QuantisedOperands {
  int64_t depth;
  QuantisedLeft left;
  const int8_t* right;
  Ahead* ahead = nullptr;

  template <int Rows>
  KERNEL_MEMBER void Multiply(Vec (&sums)[Rows][2], const Sums& before) const {
    IntVec exact[Rows][2] = {};
    const int16_t* pair = left.rows;
    const int8_t* panel = right + kPanel * sizeof(float);
    for (int64_t i = 0; i < depth;) {
      for (const int64_t end = AskAt(ahead, i, depth); i < end; i += 2) {
        const PairVec first = LoadPairs(panel), second = LoadPairs(panel + kPanel);
#pragma GCC unroll 16
        for (int row = 0; row < Rows; ++row) {
          const PairVec factor = FillPairs(pair + row * kPassDepth);
          exact[row][0] = AddPairs(exact[row][0], factor, first);
          exact[row][1] = AddPairs(exact[row][1], factor, second);
        }
        pair += 2;
        panel += 2 * kPanel;
      }
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
    left.rows += rows * kPassDepth;
    left.scales += rows;
  }
};

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_QUANTISED_H_
