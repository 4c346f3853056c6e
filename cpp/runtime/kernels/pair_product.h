// The product of a chunk of rows with a weight, in bfloat16, pass after pass over the depth.
//
// Rows are read from memory of their own, normed and scaled, as far as a pass goes; a pass is so
// long that most products have one, and their sums never leave the registers. What is left of a
// weight after a whole number of passes is joined with what comes next.
#ifndef CPP_RUNTIME_KERNELS_PAIR_PRODUCT_H_
#define CPP_RUNTIME_KERNELS_PAIR_PRODUCT_H_

#include "runtime/kernels/amx.h"
#include "runtime/kernels/pairs.h"
#include "runtime/kernels/product.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

constexpr int64_t kMostColumns = kPartColumns + kPanel;  // sums are kept of, between passes
constexpr int kMostPieces = 8;                           // of a pass

// In floats: rows, a panel that was not packed, and sums.
constexpr int64_t kFilledAt = kChunkRows * kPairStride / 2;
constexpr int64_t kKeptAt = kFilledAt + kPairDepth * kPanel / 2;
constexpr int64_t kPairScratch = kKeptAt + kChunkRows * kMostColumns;

// A part of a pass: numbers [start, start + depth) of a segment's rows.
struct Piece {
  const Segment* segment;
  int64_t start;
  int64_t depth;
};

// The pieces of one pass after the other.
class Passes {
 public:
  explicit Passes(const ProductArgs& args) : args_(args) {}

  // False if there is none left. A piece is all that a weight's own pass has: so it is packed.
  bool Next() {
    count = 0;
    int64_t room = kPairDepth;
    while (index_ < args_.segment_count && count < kMostPieces) {
      const Segment& segment = args_.segments[index_];
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
  bool last() const { return index_ == args_.segment_count; }

  Piece pieces[kMostPieces];
  int count = 0;

 private:
  const ProductArgs& args_;
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
  const float* const factor = segment.factor == nullptr ? nullptr : segment.FactorOf(row) + start;
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
KERNEL_INLINE const BFloat16* PanelOf(const Piece& piece, const ProductArgs& args, int64_t panel,
                                      BFloat16* filled) {
  const Weight& weight = piece.segment->weight;
  if (weight.format != Format::kPacked) {
    FillPairPanel(weight, panel * kPanel, piece.start, piece.depth, filled);
    return filled;
  }
  return static_cast<const BFloat16*>(weight.data) + piece.start * args.columns +
         panel * piece.depth * kPanel;
}

// What the next panel reads from far, after `panel`.
KERNEL_INLINE Ahead NextOf(const Piece& piece, const ProductArgs& args, int64_t panel) {
  const Weight& weight = piece.segment->weight;
  const int64_t asks = SquareAsksOf(args.rows, piece.depth);
  if (weight.format != Format::kPacked)
    return NextPanel(args, weight, panel + 1, piece.start, piece.depth, asks);
  if (!kWide || panel + 1 == args.end_panel || asks < 2) return {};
  const BFloat16* const next = PanelOf(piece, args, panel + 1, nullptr);
  return {next, piece.depth * kPanel * static_cast<int64_t>(sizeof(BFloat16)), asks};
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
void PassOfPairs(const ProductArgs& args, const Passes& passes, bool begun) {
  const auto* const left = LeftOf(passes, args.rows, reinterpret_cast<BFloat16*>(args.scratch));
  auto* const filled = reinterpret_cast<BFloat16*>(args.scratch + kFilledAt);
  const int64_t columns = (args.end_panel - args.first_panel) * kPanel;
  for (int64_t panel = args.first_panel; panel < args.end_panel; ++panel) {
    PanelPiece pieces[kMostPieces];
    int64_t start = 0;
    for (int index = 0; index < passes.count; ++index) {
      const Piece& piece = passes.pieces[index];
      pieces[index] = {PanelOf(piece, args, panel, filled + start * kPanel), piece.depth};
      start += piece.depth;
    }
    float* const kept = args.scratch + kKeptAt + (panel - args.first_panel) * kPanel;
    Ahead ahead = NextOf(passes.pieces[0], args, panel);
    Strips<kLast, BFloat16>(args, PairOperands<kPairStride>{left, pieces, passes.count, &ahead},
                            panel * kPanel, {kept, columns, begun});
  }
}

// Rows, kChunkRows at most; depths are even.
void ProductOfPairs(const ProductArgs& args) {
  [[maybe_unused]] const TileSession tiles;
  Passes passes(args);
  for (bool begun = false; passes.Next(); begun = true) {
    (passes.last() ? PassOfPairs<true> : PassOfPairs<false>)(args, passes, begun);
  }
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_PAIR_PRODUCT_H_
