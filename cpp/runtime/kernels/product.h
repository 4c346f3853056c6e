// The product of a chunk of rows with a weight, pass after pass over the depth.
#ifndef CPP_RUNTIME_KERNELS_PRODUCT_H_
#define CPP_RUNTIME_KERNELS_PRODUCT_H_

#include "runtime/kernels/amx.h"
#include "runtime/kernels/bytes.h"
#include "runtime/kernels/operands.h"
#include "runtime/kernels/quantised.h"
#include "runtime/kernels/tile.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

constexpr int64_t kProductScratch = (kChunkRows + 2 * 32) * kPassDepth;

// All strips of a chunk against the panel that begins with `column`.
template <bool kLast, typename Number, typename Operands>
void Strips(const ProductArgs& args, Operands operands, int64_t column, Sums kept) {
  Finish<Number> finish{
      .out = static_cast<Number*>(args.out) + column,
      .stride = args.out_stride,
      .bias = args.bias == nullptr ? nullptr : args.bias + column,
      .residual =
          args.residual == nullptr ? nullptr : static_cast<const Number*>(args.residual) + column,
      .gelu = args.gelu,
      .energy = args.energy == nullptr ? nullptr : args.energy + column,
  };
  for (int64_t left = args.rows; left > 0; left -= args.strip_rows) {
    const int64_t rows = left < args.strip_rows ? left : args.strip_rows;
    Strip<kLast>(rows, operands, kept, finish);
    operands.SkipRows(rows);
    kept.at += rows * kept.stride;
    finish.SkipRows(rows);
    if (finish.energy != nullptr) finish.energy += args.columns;
  }
}

// One pass over a part of the depth, for all columns of the chunk. `right`: the operands of a
// panel. Sums are kept in `out`.
template <bool kLast, typename Right>
KERNEL_INLINE void PassWith(const ProductArgs& args, bool begun, const Right& right) {
  for (int64_t panel = args.first_panel; panel < args.end_panel; ++panel) {
    const int64_t column = panel * kPanel;
    const Sums kept{static_cast<float*>(args.out) + column, args.out_stride, begun};
    Strips<kLast, float>(args, right(panel), column, kept);
  }
}

// After a packed panel comes the next of its pass, or the first of the next pass. `place` and
// `size`: where the panel of a pass lies, and its bytes.
template <typename Place, typename Size>
KERNEL_INLINE Ahead AfterPanel(const ProductArgs& args, const Segment& segment, int64_t start,
                               int64_t depth, int64_t panel, int64_t asks, Place place, Size size) {
  if (!kWide || asks < 2) return {};
  const auto* const packed = static_cast<const int8_t*>(segment.weight.data);
  if (panel + 1 < args.end_panel)
    return {packed + place(args.columns, start, depth, panel + 1), size(kPanel, depth), asks};
  const int64_t next = start + depth, left = segment.depth - next;
  if (left == 0) return {};
  const int64_t next_depth = left < kPassDepth ? left : kPassDepth;
  return {packed + place(args.columns, next, next_depth, args.first_panel),
          size(kPanel, next_depth), asks};
}

// Where a panel of float32 lies, and its bytes.
KERNEL_INLINE int64_t PanelPlace(int64_t columns, int64_t start, int64_t depth, int64_t panel) {
  return (start * columns + panel * depth * kPanel) * static_cast<int64_t>(sizeof(float));
}
KERNEL_INLINE int64_t PanelBytes(int64_t columns, int64_t depth) {
  return columns * depth * static_cast<int64_t>(sizeof(float));
}

template <bool kLast>
void Pass(const ProductArgs& args, const Segment& segment, int64_t start, int64_t depth,
          int64_t index) {
  const bool begun = index > 0;
  const Weight& weight = segment.weight;
  const auto* const packed = static_cast<const int8_t*>(weight.data);
  const int64_t asks = AsksOf(args.rows, depth);
  Ahead ahead;
  Ahead* const asked = kWide ? &ahead : nullptr;  // of what is packed
  if (weight.format == Format::kBytes) {
    const auto* const rounded =
        static_cast<const char*>(args.rounded) + index * RoundedBytes(args.rows);
    const auto left = ByteRowsAt(rounded, args.rows);
    const int64_t of_squares = SquareAsksOf(args.rows, depth);
    const auto size = [](int64_t columns, int64_t numbers) { return BytesOf(columns, numbers); };
    PassWith<kLast>(args, begun, [&](int64_t panel) {
      ahead = AfterPanel(args, segment, start, depth, panel, of_squares, BytePlace, size);
      const auto* const right = packed + BytePlace(args.columns, start, depth, panel);
      return ByteOperands{depth, left, right, asked};
    });
  } else if (weight.format == Format::kQuantised) {
    const auto left = QuantisedLeftIn(args.scratch);
    QuantiseLeft(segment, args.rows, start, depth, left, args.scratch);
    PassWith<kLast>(args, begun, [&](int64_t panel) {
      ahead = AfterPanel(args, segment, start, depth, panel, asks, QuantisedPlace, QuantisedBytes);
      const auto* const right = packed + QuantisedPlace(args.columns, start, depth, panel);
      return QuantisedOperands{depth, left, right, asked};
    });
  } else {
    float* const left = args.scratch;
    float* const filled = left + kChunkRows * kPassDepth;  // a panel that was not packed
    CopyLeft(segment, 0, args.rows, start, depth, left);
    PassWith<kLast>(args, begun, [&](int64_t panel) {
      if (weight.format == Format::kPacked) {
        ahead = AfterPanel(args, segment, start, depth, panel, asks, PanelPlace, PanelBytes);
        const auto* const right = packed + PanelPlace(args.columns, start, depth, panel);
        return Operands{depth, left, reinterpret_cast<const float*>(right), asked};
      }
      FillPanel(weight, panel * kPanel, start, depth, filled);
      ahead = NextPanel(args, weight, panel + 1, start, depth, asks);
      return Operands{depth, left, filled, &ahead};
    });
  }
}

// Columns must be whole panels; the caller pads.
void Product(const ProductArgs& args) {
  [[maybe_unused]] const TileSession tiles;
  int64_t pass = 0;
  for (int index = 0; index < args.segment_count; ++index) {
    const Segment& segment = args.segments[index];
    for (int64_t start = 0; start < segment.depth; start += kPassDepth) {
      const int64_t left = segment.depth - start;
      const int64_t depth = left < kPassDepth ? left : kPassDepth;
      const bool last = index == args.segment_count - 1 && left <= kPassDepth;
      (last ? Pass<true> : Pass<false>)(args, segment, start, depth, pass++);
    }
  }
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_PRODUCT_H_
