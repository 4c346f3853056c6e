// Products of bfloat16. Two neighbours of the depth are one number of 32 bits, which the CPU
// multiplies and adds at once, in float32; where it cannot, the same is done in two steps, for
// tests.
//
// Rows are read from memory of their own, normed and scaled, as far as a pass goes; a pass is so
// long that most products have one, and their sums never leave the registers. What is left of a
// weight after a whole number of passes is joined with what comes next.
#ifndef CPP_RUNTIME_KERNELS_PAIRS_H_
#define CPP_RUNTIME_KERNELS_PAIRS_H_

#include "runtime/kernels/operands.h"
#include "runtime/kernels/product.h"
#include "runtime/kernels/tile.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

constexpr int64_t kPairDepth = 1536;  // numbers of a row that a pass takes
// Between rows: not a multiple of what the first cache has between two lines of the same place.
constexpr int64_t kPairStride = kPairDepth + 32;
constexpr int64_t kMostColumns = 2048 + kPanel;  // of a block whose sums are kept between passes
constexpr int kMostPieces = 8;                   // of a pass

// In floats: rows, a panel that was not packed, and sums.
constexpr int64_t kFilledAt = kRowBlock * kPairStride / 2;
constexpr int64_t kKeptAt = kFilledAt + kPairDepth * kPanel / 2;
constexpr int64_t kPairScratch = kKeptAt + kRowBlock * kMostColumns;

// sums[i] + a[2i + 1] * b[2i + 1] + a[2i] * b[2i]
KERNEL_INLINE Vec AddPairs(Vec sums, IntVec a, IntVec b) {
#if KERNEL_PAIRS
  return reinterpret_cast<Vec>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sums),
                                                reinterpret_cast<__m512bh>(a),
                                                reinterpret_cast<__m512bh>(b)));
#else
  constexpr int kUpper = static_cast<int>(0xffff0000);
  sums += reinterpret_cast<Vec>(a & kUpper) * reinterpret_cast<Vec>(b & kUpper);
  return sums + reinterpret_cast<Vec>(a << 16) * reinterpret_cast<Vec>(b << 16);
#endif
}

KERNEL_INLINE IntVec LoadPairs(const BFloat16* from) {
  IntVec pairs;
  std::memcpy(&pairs, from, sizeof pairs);
  return pairs;
}

KERNEL_INLINE IntVec FillPairs(const BFloat16* from) {
  int32_t pair;
  std::memcpy(&pair, from, sizeof pair);
  return pair - IntVec{};
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

  template <int Rows>
  KERNEL_MEMBER void Multiply(Vec (&sums)[Rows][2], const Sums& before) const {
    Start(sums, before);
    const BFloat16* row_start = left;
    for (int piece = 0; piece < count; ++piece) {
      const BFloat16* panel = pieces[piece].panel;
      for (int64_t i = 0; i < pieces[piece].depth; i += 2) {
        const IntVec first = LoadPairs(panel), second = LoadPairs(panel + kPanel);
#pragma GCC unroll 16
        for (int row = 0; row < Rows; ++row) {
          const IntVec factor = FillPairs(row_start + row * kStride);
          sums[row][0] = AddPairs(sums[row][0], factor, first);
          sums[row][1] = AddPairs(sums[row][1], factor, second);
        }
        row_start += 2;
        panel += 2 * kPanel;
      }
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
      return FillPairPanel<_Float16>(weight, column, start, depth, panel);
    case Format::kPacked:
    case Format::kQuantised:
    case Format::kBytes:
      return;
  }
}

// What one pass reads lies together, panel after panel. The depth is even.
void PackPairs(const PackedPart& part, void* packed) {
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

// A part of a pass: numbers [start, start + depth) of a segment's rows.
struct Piece {
  const Segment* segment;
  int64_t start;
  int64_t depth;
};

// The pieces of one pass after the other.
class Passes {
 public:
  explicit Passes(const ProductBlock& block) : block_(block) {}

  // False if there is none left. A piece is all that a weight's own pass has: so it is packed.
  bool Next() {
    count = 0;
    int64_t room = kPairDepth;
    while (index_ < block_.segment_count && count < kMostPieces) {
      const Segment& segment = block_.segments[index_];
      const int64_t left = segment.depth - start_;
      const int64_t depth = left < kPairDepth ? left : kPairDepth;
      if (depth > room) break;
      pieces[count++] = {&segment, start_, depth};
      room -= depth;
      start_ += depth;
      if (start_ < segment.depth) continue;
      start_ = 0;
      ++index_;
    }
    return count > 0;
  }
  bool last() const { return index_ == block_.segment_count; }

  Piece pieces[kMostPieces];
  int count = 0;

 private:
  const ProductBlock& block_;
  int index_ = 0;
  int64_t start_ = 0;
};

KERNEL_INLINE void CopyRow(const Segment& segment, int64_t row, int64_t start, int64_t depth,
                           BFloat16* to) {
  const auto* const from =
      static_cast<const BFloat16*>(segment.rows) + row * segment.stride + start;
  if (segment.centre == nullptr && segment.factor == nullptr) {
    std::memcpy(to, from, depth * sizeof(BFloat16));
    return;
  }
  const float centre = segment.centre == nullptr ? 0 : segment.centre[row];
  const float spread = segment.centre == nullptr ? 1 : segment.spread[row];
  const float* const factor = segment.factor == nullptr ? nullptr : segment.factor + start;
  const int64_t whole = depth / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    Vec value = (Load(from + i) - centre) * spread;
    if (factor != nullptr) value *= Load(factor + i);
    Store(to + i, value);
  }
  for (int64_t i = whole; i < depth; ++i) {
    const float value = (Widen(from[i]) - centre) * spread;
    Store(to + i, factor == nullptr ? value : value * factor[i]);
  }
}

// Where a panel of a piece lies; one that was not packed is brought into shape at `filled`.
KERNEL_INLINE const BFloat16* PanelOf(const Piece& piece, const ProductBlock& block, int64_t panel,
                                      BFloat16* filled) {
  const Weight& weight = piece.segment->weight;
  if (weight.format != Format::kPacked) {
    FillPairPanel(weight, panel * kPanel, piece.start, piece.depth, filled);
    return filled;
  }
  return static_cast<const BFloat16*>(weight.data) + piece.start * block.columns +
         panel * piece.depth * kPanel;
}

// The rows of a pass: where they lie, if that is as tiles read them, else copied to `scratch`.
KERNEL_INLINE const BFloat16* LeftOf(const Passes& passes, int64_t rows, BFloat16* scratch) {
  const Segment& first = *passes.pieces[0].segment;
  const bool plain = first.centre == nullptr && first.factor == nullptr;
  if (passes.count == 1 && plain && first.stride == kPairStride)
    return static_cast<const BFloat16*>(first.rows) + passes.pieces[0].start;
  int64_t place = 0;
  for (int index = 0; index < passes.count; ++index) {
    const Piece& piece = passes.pieces[index];
    for (int64_t row = 0; row < rows; ++row) {
      CopyRow(*piece.segment, row, piece.start, piece.depth, scratch + row * kPairStride + place);
    }
    place += piece.depth;
  }
  return scratch;
}

template <bool kLast>
void PassOfPairs(const ProductBlock& block, const Passes& passes, bool begun) {
  const auto* const left = LeftOf(passes, block.rows, reinterpret_cast<BFloat16*>(block.scratch));
  auto* const filled = reinterpret_cast<BFloat16*>(block.scratch + kFilledAt);
  const int64_t columns = (block.end_panel - block.first_panel) * kPanel;
  for (int64_t panel = block.first_panel; panel < block.end_panel; ++panel) {
    PanelPiece pieces[kMostPieces];
    int64_t start = 0;
    for (int index = 0; index < passes.count; ++index) {
      const Piece& piece = passes.pieces[index];
      pieces[index] = {PanelOf(piece, block, panel, filled + start * kPanel), piece.depth};
      start += piece.depth;
    }
    float* const kept = block.scratch + kKeptAt + (panel - block.first_panel) * kPanel;
    Strips<kLast, BFloat16>(block, PairOperands<kPairStride>{left, pieces, passes.count},
                            panel * kPanel, {kept, columns, begun});
  }
}

// Rows, kRowBlock at most; depths are even.
void ProductOfPairs(const ProductBlock& block) {
  Passes passes(block);
  for (bool begun = false; passes.Next(); begun = true) {
    (passes.last() ? PassOfPairs<true> : PassOfPairs<false>)(block, passes, begun);
  }
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_PAIRS_H_
