// Products of bfloat16. Two neighbours of the depth are one number of 32 bits, which the CPU
// multiplies and adds at once, in float32; where it cannot, the same is done in two steps, for
// tests.
#ifndef CPP_RUNTIME_KERNELS_PAIRS_H_
#define CPP_RUNTIME_KERNELS_PAIRS_H_

#include "runtime/kernels/operands.h"
#include "runtime/kernels/tile.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

constexpr int64_t kPairDepth = 1536;  // numbers of a row that a pass takes
// Between rows: not a multiple of what the first cache has between two lines of the same place.
constexpr int64_t kPairStride = kPairDepth + 32;

// sums[i] + a[2i + 1] * b[2i + 1] + a[2i] * b[2i]
KERNEL_INLINE Vec AddPairs(Vec sums, IntVec a, IntVec b) {
#if KERNEL_PAIRS && !KERNEL_ARM
  return reinterpret_cast<Vec>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sums),
                                                reinterpret_cast<__m512bh>(a),
                                                reinterpret_cast<__m512bh>(b)));
#else
  constexpr int kUpper = static_cast<int>(0xffff0000);
  sums += reinterpret_cast<Vec>(a & kUpper) * reinterpret_cast<Vec>(b & kUpper);
  return sums + reinterpret_cast<Vec>(a << 16) * reinterpret_cast<Vec>(b << 16);
#endif
}

// A part of a pass: so many numbers of each row, and the panel that they meet, (depth / 2, kPanel,
// 2).
struct PanelPiece {
  const BFloat16* panel;
  int64_t depth;
};

// Rows Stride apart against the pieces of a pass.
template <int64_t kStride>
struct PairOperands {
  const BFloat16* left;
  const PanelPiece* pieces;
  int count;
  Ahead* ahead = nullptr;

  template <int Rows>
  KERNEL_MEMBER void Multiply(Vec (&sums)[Rows][2], const Sums& before) const {
    Start(sums, before);
    const BFloat16* row_start = left;
    for (int piece = 0; piece < count; ++piece) {
      const auto [panel_start, depth] = pieces[piece];
      const BFloat16* panel = panel_start;
#if KERNEL_PAIRS && KERNEL_ARM
      AskAt(ahead, 0, depth);
      MultiplyByLanes<AddProductsOfPairs>(sums, row_start, kStride * sizeof(BFloat16), panel,
                                          depth / 2);
      row_start += depth;
#else
      for (int64_t i = 0; i < depth;) {
        for (const int64_t end = AskAt(ahead, i, depth); i < end; i += 2) {
          const IntVec first = LoadBits(panel), second = LoadBits(panel + kPanel);
#pragma GCC unroll 16
          for (int row = 0; row < Rows; ++row) {
            const IntVec factor = FillBits(row_start + row * kStride);
            sums[row][0] = AddPairs(sums[row][0], factor, first);
            sums[row][1] = AddPairs(sums[row][1], factor, second);
          }
          row_start += 2;
          panel += 2 * kPanel;
        }
      }
#endif
    }
  }
  KERNEL_MEMBER void SkipRows(int64_t rows) { left += rows * kStride; }
};

// Columns [column, column + kPanel) of a weight that is stored otherwise, as a panel of pairs.
template <typename Stored>
void FillPairPanel(const Weight& weight, int64_t column, int64_t start, int64_t depth,
                   BFloat16* panel) {
  const auto* const rows = static_cast<const Stored*>(weight.data) + column * weight.stride + start;
  for (int64_t i = 0; i < depth; ++i) {
    for (int64_t j = 0; j < kPanel; ++j) {
      Store(panel + i / 2 * 2 * kPanel + 2 * j + i % 2, Widen(rows[j * weight.stride + i]));
    }
  }
}

// Pairs are neighbours in memory already: a panel is a transposed matrix of numbers of 32 bits.
template <>
void FillPairPanel<BFloat16>(const Weight& weight, int64_t column, int64_t start, int64_t depth,
                             BFloat16* panel) {
  constexpr int64_t kBytes = sizeof(BFloat16);
  const auto* const rows =
      static_cast<const char*>(weight.data) + (column * weight.stride + start) * kBytes;
  Transpose(rows, weight.stride * kBytes, depth / 2, reinterpret_cast<char*>(panel));
}

void FillPairPanel(const Weight& weight, int64_t column, int64_t start, int64_t depth,
                   BFloat16* panel) {
  switch (weight.format) {
    case Format::kFloat32:
      return FillPairPanel<float>(weight, column, start, depth, panel);
    case Format::kBFloat16:
      return FillPairPanel<BFloat16>(weight, column, start, depth, panel);
    case Format::kFloat16:
      return FillPairPanel<Float16>(weight, column, start, depth, panel);
    case Format::kPacked:
    case Format::kQuantised:
    case Format::kBytes:
      return;
  }
}

// What one pass reads lies together, panel after panel. The depth is even.
void PackPairs(const PackArgs& part, void* packed) {
  for (int64_t start = 0; start < part.depth; start += kPairDepth) {
    const int64_t left = part.depth - start;
    const int64_t depth = left < kPairDepth ? left : kPairDepth;
    auto* to =
        static_cast<BFloat16*>(packed) + start * part.all_columns + part.first_column * depth;
    for (int64_t column = 0; column < part.columns; column += kPanel) {
      FillPairPanel(part.weight, column, start, depth, to);
      to += kPanel * depth;
    }
  }
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_PAIRS_H_
