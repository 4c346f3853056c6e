// The product of a block of rows with a weight. The left side is copied into rows of kDepthBlock
// numbers, normed and scaled on the way; a tile of kTile rows and one panel of columns then stays
// in registers for a whole pass over the depth.
#ifndef CPP_RUNTIME_KERNELS_PRODUCT_H_
#define CPP_RUNTIME_KERNELS_PRODUCT_H_

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/vector.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

// What is done with a tile once its sums are complete. Pointers are to the tile's first column.
struct Finish {
  const float* bias;
  const float* residual;
  bool gelu;
  float* energy;
};

// out (Rows, kPanel) = start + left (Rows, depth; rows kDepthBlock apart) * right (depth, kPanel),
// where the start is `out` itself if `accumulate`, else zero.
template <int Rows, bool kLast>
KERNEL_INLINE void Tile(int64_t depth, const float* left, const float* right, float* out,
                        int64_t out_stride, bool accumulate, const Finish& finish) {
  Vec sums[Rows][2];
#pragma GCC unroll 16
  for (int row = 0; row < Rows; ++row) {
    sums[row][0] = accumulate ? Load(out + row * out_stride) : Vec{};
    sums[row][1] = accumulate ? Load(out + row * out_stride + kLanes) : Vec{};
  }
  for (int64_t i = 0; i < depth; ++i) {
    const Vec first = Load(right), second = Load(right + kLanes);
#pragma GCC unroll 16
    for (int row = 0; row < Rows; ++row) {
      const float factor = left[row * kDepthBlock];
      sums[row][0] += factor * first;
      sums[row][1] += factor * second;
    }
    ++left;
    right += kPanel;
  }
  if constexpr (kLast) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const Vec bias = finish.bias == nullptr ? Vec{} : Load(finish.bias + half * kLanes);
      Vec energy = finish.energy == nullptr ? Vec{} : Load(finish.energy + half * kLanes);
#pragma GCC unroll 16
      for (int row = 0; row < Rows; ++row) {
        Vec value = sums[row][half] + bias;
        if (finish.gelu) value = Gelu(value);
        energy += value * value;
        if (finish.residual != nullptr) {
          value += Load(finish.residual + row * out_stride + half * kLanes);
        }
        Store(out + row * out_stride + half * kLanes, value);
      }
      if (finish.energy != nullptr) Store(finish.energy + half * kLanes, energy);
    }
  } else {
#pragma GCC unroll 16
    for (int row = 0; row < Rows; ++row) {
      Store(out + row * out_stride, sums[row][0]);
      Store(out + row * out_stride + kLanes, sums[row][1]);
    }
  }
}

// The rows that are left over at the end of a block: 1 to Rows.
template <int Rows, bool kLast>
void LastTile(int64_t rows, int64_t depth, const float* left, const float* right, float* out,
              int64_t out_stride, bool accumulate, const Finish& finish) {
  if constexpr (Rows > 1) {
    if (rows < Rows) {
      LastTile<Rows - 1, kLast>(rows, depth, left, right, out, out_stride, accumulate, finish);
      return;
    }
  }
  Tile<Rows, kLast>(depth, left, right, out, out_stride, accumulate, finish);
}

// All rows of a block against one panel.
template <bool kLast>
void Strip(int64_t rows, int64_t depth, const float* left, const float* right, float* out,
           int64_t out_stride, bool accumulate, Finish finish) {
  for (; rows >= kTile; rows -= kTile) {
    Tile<kTile, kLast>(depth, left, right, out, out_stride, accumulate, finish);
    left += kTile * kDepthBlock;
    out += kTile * out_stride;
    if (finish.residual != nullptr) finish.residual += kTile * out_stride;
  }
  if (rows > 0) {
    LastTile<kTile - 1, kLast>(rows, depth, left, right, out, out_stride, accumulate, finish);
  }
}

struct BFloat16 {
  uint16_t bits;
};

KERNEL_INLINE float Widen(const float* from) {
  return *from;
}

KERNEL_INLINE float Widen(const BFloat16* from) {
  const uint32_t bits = static_cast<uint32_t>(from->bits) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

KERNEL_INLINE float Widen(const _Float16* from) {
  return static_cast<float>(*from);
}

// `count` numbers at most of a row, the depth of a panel in a column each: right[i][column] =
// row[i].
template <typename Stored>
void FillPanel(const Weight& weight, int64_t column, int64_t columns, int64_t start, int64_t depth,
               float* panel) {
  const int64_t present = columns - column < kPanel ? columns - column : kPanel;
  const Stored* rows = static_cast<const Stored*>(weight.data) + column * weight.stride + start;
  for (int64_t i0 = 0; i0 < depth; i0 += 16) {
    const int64_t end = i0 + 16 < depth ? i0 + 16 : depth;
    for (int64_t j = 0; j < present; ++j) {
      for (int64_t i = i0; i < end; ++i)
        panel[i * kPanel + j] = Widen(rows + j * weight.stride + i);
    }
    for (int64_t j = present; j < kPanel; ++j) {
      for (int64_t i = i0; i < end; ++i) panel[i * kPanel + j] = 0;
    }
  }
}

void FillPanel(const Weight& weight, int64_t column, int64_t columns, int64_t start, int64_t depth,
               float* panel) {
  switch (weight.format) {
    case Format::kFloat32:
      return FillPanel<float>(weight, column, columns, start, depth, panel);
    case Format::kBFloat16:
      return FillPanel<BFloat16>(weight, column, columns, start, depth, panel);
    case Format::kFloat16:
      return FillPanel<_Float16>(weight, column, columns, start, depth, panel);
    case Format::kPacked:
      return;
  }
}

// What one pass reads lies together, panel after panel.
void Pack(const PackedPart& part, float* packed) {
  for (int64_t start = 0; start < part.depth; start += kDepthBlock) {
    const int64_t left = part.depth - start;
    const int64_t depth = left < kDepthBlock ? left : kDepthBlock;
    float* to = packed + start * part.all_columns + part.first_column * depth;
    for (int64_t column = 0; column < part.columns; column += kPanel) {
      FillPanel(part.weight, column, part.columns, start, depth, to);
      to += kPanel * depth;
    }
  }
}

// Numbers [start, start + depth) of every row, normed and scaled.
void CopyLeft(const Segment& segment, int64_t rows, int64_t start, int64_t depth, float* left) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = segment.rows + row * segment.stride + start;
    float* to = left + row * kDepthBlock;
    const float centre = segment.centre == nullptr ? 0 : segment.centre[row];
    const float spread = segment.centre == nullptr ? 1 : segment.spread[row];
    if (segment.factor != nullptr) {
      const float* factor = segment.factor + start;
      for (int64_t i = 0; i < depth; ++i) to[i] = (from[i] - centre) * spread * factor[i];
    } else if (segment.centre != nullptr) {
      for (int64_t i = 0; i < depth; ++i) to[i] = (from[i] - centre) * spread;
    } else {
      std::memcpy(to, from, depth * sizeof(float));
    }
  }
}

// One pass over a part of the depth, for all columns of the block.
template <bool kLast>
void Pass(const ProductBlock& block, const Segment& segment, int64_t start, int64_t depth,
          bool accumulate) {
  float* const left = block.scratch;
  float* const filled = left + kRowBlock * kDepthBlock;  // a panel that was not packed
  CopyLeft(segment, block.rows, start, depth, left);
  for (int64_t panel = block.first_panel; panel < block.end_panel; ++panel) {
    const int64_t column = panel * kPanel;
    const float* right = filled;
    if (segment.weight.format == Format::kPacked) {
      right = static_cast<const float*>(segment.weight.data) + start * block.columns +
              panel * depth * kPanel;
    } else {
      FillPanel(segment.weight, column, block.columns, start, depth, filled);
    }
    const auto at = [column](auto* first) { return first == nullptr ? first : first + column; };
    const Finish finish{at(block.bias), at(block.residual), block.gelu, at(block.energy)};
    Strip<kLast>(block.rows, depth, left, right, block.out + column, block.out_stride, accumulate,
                 finish);
  }
}

// Columns must be whole panels; the caller pads.
void Product(const ProductBlock& block) {
  bool accumulate = false;
  for (int index = 0; index < block.segment_count; ++index) {
    const Segment& segment = block.segments[index];
    for (int64_t start = 0; start < segment.depth; start += kDepthBlock) {
      const int64_t left = segment.depth - start;
      const int64_t depth = left < kDepthBlock ? left : kDepthBlock;
      const bool last = index == block.segment_count - 1 && left <= kDepthBlock;
      (last ? Pass<true> : Pass<false>)(block, segment, start, depth, accumulate);
      accumulate = true;
    }
  }
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_PRODUCT_H_
