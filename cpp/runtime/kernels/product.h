// The product of a block of rows with a weight, pass after pass over the depth.
#ifndef CPP_RUNTIME_KERNELS_PRODUCT_H_
#define CPP_RUNTIME_KERNELS_PRODUCT_H_

#include "runtime/kernels/bytes.h"
#include "runtime/kernels/operands.h"
#include "runtime/kernels/quantised.h"
#include "runtime/kernels/tile.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

constexpr int64_t kProductScratch = (kRowBlock + 2 * 32) * kDepthBlock;

// All strips of a block against the panel that begins with `column`.
template <bool kLast, typename Number, typename Operands>
void Strips(const ProductBlock& block, Operands operands, int64_t column, Sums kept) {
  Finish<Number> finish{
      .out = static_cast<Number*>(block.out) + column,
      .stride = block.out_stride,
      .bias = block.bias == nullptr ? nullptr : block.bias + column,
      .residual =
          block.residual == nullptr ? nullptr : static_cast<const Number*>(block.residual) + column,
      .gelu = block.gelu,
      .energy = block.energy == nullptr ? nullptr : block.energy + column,
  };
  for (int64_t left = block.rows; left > 0; left -= block.strip_rows) {
    const int64_t rows = left < block.strip_rows ? left : block.strip_rows;
    Strip<kLast>(rows, operands, kept, finish);
    operands.SkipRows(rows);
    kept.at += rows * kept.stride;
    finish.SkipRows(rows);
    if (finish.energy != nullptr) finish.energy += block.columns;
  }
}

// One pass over a part of the depth, for all columns of the block. `right`: the operands of a
// panel. Sums are kept in `out`.
template <bool kLast, typename Right>
KERNEL_INLINE void PassWith(const ProductBlock& block, bool begun, const Right& right) {
  for (int64_t panel = block.first_panel; panel < block.end_panel; ++panel) {
    const int64_t column = panel * kPanel;
    const Sums kept{static_cast<float*>(block.out) + column, block.out_stride, begun};
    Strips<kLast, float>(block, right(panel), column, kept);
  }
}

template <bool kLast>
void Pass(const ProductBlock& block, const Segment& segment, int64_t start, int64_t depth,
          int64_t index) {
  const bool begun = index > 0;
  const Weight& weight = segment.weight;
  const auto* const packed = static_cast<const int8_t*>(weight.data);
  if (weight.format == Format::kBytes) {
    const auto* const rounded =
        static_cast<const char*>(block.rounded) + index * RoundedBytes(block.rows);
    const auto left = ByteRowsAt(rounded, block.rows);
    PassWith<kLast>(block, begun, [&](int64_t panel) {
      return ByteOperands{depth, left, packed + BytePlace(block.columns, start, depth, panel)};
    });
  } else if (weight.format == Format::kQuantised) {
    const auto left = QuantisedLeftIn(block.scratch);
    QuantiseLeft(segment, block.rows, start, depth, left, block.scratch);
    PassWith<kLast>(block, begun, [&](int64_t panel) {
      return QuantisedOperands{depth, left,
                               packed + QuantisedPlace(block.columns, start, depth, panel)};
    });
  } else {
    float* const left = block.scratch;
    float* const filled = left + kRowBlock * kDepthBlock;  // a panel that was not packed
    CopyLeft(segment, 0, block.rows, start, depth, left);
    PassWith<kLast>(block, begun, [&](int64_t panel) {
      if (weight.format == Format::kPacked) {
        const auto* const panels = static_cast<const float*>(weight.data);
        return Operands{depth, left, panels + start * block.columns + panel * depth * kPanel};
      }
      FillPanel(weight, panel * kPanel, start, depth, filled);
      return Operands{depth, left, filled};
    });
  }
}

// Columns must be whole panels; the caller pads.
void Product(const ProductBlock& block) {
  int64_t pass = 0;
  for (int index = 0; index < block.segment_count; ++index) {
    const Segment& segment = block.segments[index];
    for (int64_t start = 0; start < segment.depth; start += kDepthBlock) {
      const int64_t left = segment.depth - start;
      const int64_t depth = left < kDepthBlock ? left : kDepthBlock;
      const bool last = index == block.segment_count - 1 && left <= kDepthBlock;
      (last ? Pass<true> : Pass<false>)(block, segment, start, depth, pass++);
    }
  }
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_PRODUCT_H_
