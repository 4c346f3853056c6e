// How the two sides of a product get the shape that tiles read: weights as panels, and rows of
// kDepthBlock numbers, normed and scaled on the way.
#ifndef CPP_RUNTIME_KERNELS_OPERANDS_H_
#define CPP_RUNTIME_KERNELS_OPERANDS_H_

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/vector.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

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
    case Format::kQuantised:
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

// Numbers [start, start + depth) of some rows, normed and scaled.
void CopyLeft(const Segment& segment, int64_t first_row, int64_t end_row, int64_t start,
              int64_t depth, float* left) {
  for (int64_t row = first_row; row < end_row; ++row) {
    const float* from = segment.rows + row * segment.stride + start;
    float* to = left + (row - first_row) * kDepthBlock;
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

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_OPERANDS_H_
