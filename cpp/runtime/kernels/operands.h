// How the two sides of a product get the shape that tiles read: weights as panels, and rows of
// kPassDepth numbers, normed and scaled on the way.
#ifndef CPP_RUNTIME_KERNELS_OPERANDS_H_
#define CPP_RUNTIME_KERNELS_OPERANDS_H_

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/numbers.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

// to[i][j] = from[j][i] for numbers of 32 bits: `width` of each of kPanel rows, which are `stride`
// bytes apart.
KERNEL_INLINE void Transpose(const char* from, int64_t stride, int64_t width, char* to) {
  int64_t done = 0;
#if KERNEL_LANES == 16
  for (; done + kLanes <= width; done += kLanes) {
    for (int64_t half = 0; half < kPanel; half += kLanes) {
      __m512i rows[kLanes], mixed[kLanes];
#pragma GCC unroll 16
      for (int j = 0; j < kLanes; ++j) {
        rows[j] = _mm512_loadu_si512(from + (half + j) * stride + done * 4);
        __builtin_prefetch(from + (half + j) * stride + done * 4 + 256);
      }
      // Pairs of rows, then pairs of pairs, within quarters of a register; then the quarters.
#pragma GCC unroll 16
      for (int j = 0; j < kLanes; j += 2) {
        mixed[j] = _mm512_unpacklo_epi32(rows[j], rows[j + 1]);
        mixed[j + 1] = _mm512_unpackhi_epi32(rows[j], rows[j + 1]);
      }
#pragma GCC unroll 16
      for (int j = 0; j < kLanes; j += 4) {
        rows[j] = _mm512_unpacklo_epi64(mixed[j], mixed[j + 2]);
        rows[j + 1] = _mm512_unpackhi_epi64(mixed[j], mixed[j + 2]);
        rows[j + 2] = _mm512_unpacklo_epi64(mixed[j + 1], mixed[j + 3]);
        rows[j + 3] = _mm512_unpackhi_epi64(mixed[j + 1], mixed[j + 3]);
      }
#pragma GCC unroll 16
      for (int j = 0; j < 4; ++j) {
        const auto low = _mm512_shuffle_i32x4(rows[j], rows[j + 4], 0x88);
        const auto high = _mm512_shuffle_i32x4(rows[j], rows[j + 4], 0xdd);
        const auto low_end = _mm512_shuffle_i32x4(rows[j + 8], rows[j + 12], 0x88);
        const auto high_end = _mm512_shuffle_i32x4(rows[j + 8], rows[j + 12], 0xdd);
        const auto put = [&](int64_t i, __m512i column) {
          _mm512_storeu_si512(to + ((done + i) * kPanel + half) * 4, column);
        };
        put(j, _mm512_shuffle_i32x4(low, low_end, 0x88));
        put(j + 4, _mm512_shuffle_i32x4(high, high_end, 0x88));
        put(j + 8, _mm512_shuffle_i32x4(low, low_end, 0xdd));
        put(j + 12, _mm512_shuffle_i32x4(high, high_end, 0xdd));
      }
    }
  }
#endif
  for (int64_t i0 = done; i0 < width; i0 += 16) {
    const int64_t end = i0 + 16 < width ? i0 + 16 : width;
    for (int64_t j = 0; j < kPanel; ++j) {
      for (int64_t i = i0; i < end; ++i)
        std::memcpy(to + (i * kPanel + j) * 4, from + j * stride + i * 4, 4);
    }
  }
}

// Columns [column, column + kPanel) of a weight that is not packed: panel[i][j] = row j's number i.
template <typename Stored>
void FillPanel(const Weight& weight, int64_t column, int64_t start, int64_t depth, float* panel) {
  const auto* const rows = static_cast<const Stored*>(weight.data) + column * weight.stride + start;
  for (int64_t i0 = 0; i0 < depth; i0 += 16) {
    const int64_t end = i0 + 16 < depth ? i0 + 16 : depth;
    for (int64_t j = 0; j < kPanel; ++j) {
      for (int64_t i = i0; i < end; ++i) panel[i * kPanel + j] = Widen(rows[j * weight.stride + i]);
    }
  }
}

template <>
void FillPanel<float>(const Weight& weight, int64_t column, int64_t start, int64_t depth,
                      float* panel) {
  constexpr int64_t kBytes = sizeof(float);
  const auto* const rows =
      static_cast<const char*>(weight.data) + (column * weight.stride + start) * kBytes;
  Transpose(rows, weight.stride * kBytes, depth, reinterpret_cast<char*>(panel));
}

void FillPanel(const Weight& weight, int64_t column, int64_t start, int64_t depth, float* panel) {
  switch (weight.format) {
    case Format::kFloat32:
      return FillPanel<float>(weight, column, start, depth, panel);
    case Format::kBFloat16:
      return FillPanel<BFloat16>(weight, column, start, depth, panel);
    case Format::kFloat16:
      return FillPanel<Float16>(weight, column, start, depth, panel);
    case Format::kPacked:
    case Format::kQuantised:
    case Format::kBytes:
      return;
  }
}

// What one pass reads lies together, panel after panel.
void Pack(const PackArgs& part, void* packed) {
  for (int64_t start = 0; start < part.depth; start += kPassDepth) {
    const int64_t left = part.depth - start;
    const int64_t depth = left < kPassDepth ? left : kPassDepth;
    float* to = static_cast<float*>(packed) + start * part.all_columns + part.first_column * depth;
    for (int64_t column = 0; column < part.columns; column += kPanel) {
      FillPanel(part.weight, column, start, depth, to);
      to += kPanel * depth;
    }
  }
}

// Numbers [start, start + depth) of some rows, normed and scaled.
void CopyLeft(const Segment& segment, int64_t first_row, int64_t end_row, int64_t start,
              int64_t depth, float* left) {
  for (int64_t row = first_row; row < end_row; ++row) {
    const float* from = static_cast<const float*>(segment.rows) + row * segment.stride + start;
    float* to = left + (row - first_row) * kPassDepth;
    const float centre = segment.centre == nullptr ? 0 : segment.centre[row];
    const float spread = segment.centre == nullptr ? 1 : segment.spread[row];
    if (segment.factor != nullptr) {
      const float* factor = segment.FactorOf(row) + start;
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
