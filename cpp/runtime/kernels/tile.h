// The heart of every product: a tile of kTile rows and one panel of columns stays in registers for
// a whole pass over the depth.
#ifndef CPP_RUNTIME_KERNELS_TILE_H_
#define CPP_RUNTIME_KERNELS_TILE_H_

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

// What the sums of a tile begin with: what is in `out` already if `accumulate`, else nothing.
template <int Rows>
KERNEL_INLINE void Start(Vec (&sums)[Rows][2], const float* out, int64_t stride, bool accumulate) {
#pragma GCC unroll 16
  for (int row = 0; row < Rows; ++row) {
    sums[row][0] = accumulate ? Load(out + row * stride) : Vec{};
    sums[row][1] = accumulate ? Load(out + row * stride + kLanes) : Vec{};
  }
}

// Rows kDepthBlock apart, and a panel: (depth, kPanel).
struct Operands {
  int64_t depth;
  const float* left;
  const float* right;

  // sums = start + left (Rows, depth) * right
  template <int Rows>
  KERNEL_MEMBER void Multiply(Vec (&sums)[Rows][2], const float* out, int64_t stride,
                              bool accumulate) const {
    Start(sums, out, stride, accumulate);
    const float* row_start = left;
    const float* panel = right;
    for (int64_t i = 0; i < depth; ++i) {
      const Vec first = Load(panel), second = Load(panel + kLanes);
#pragma GCC unroll 16
      for (int row = 0; row < Rows; ++row) {
        const float factor = row_start[row * kDepthBlock];
        sums[row][0] += factor * first;
        sums[row][1] += factor * second;
      }
      ++row_start;
      panel += kPanel;
    }
  }
  KERNEL_MEMBER void SkipRows(int64_t rows) { left += rows * kDepthBlock; }
};

// The product of Rows rows with one panel, into `out` (Rows, kPanel).
template <int Rows, bool kLast, typename Operands>
KERNEL_INLINE void Tile(const Operands& operands, float* out, int64_t out_stride, bool accumulate,
                        const Finish& finish) {
  Vec sums[Rows][2];
  operands.template Multiply<Rows>(sums, out, out_stride, accumulate);
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
template <int Rows, bool kLast, typename Operands>
void LastTile(int64_t rows, const Operands& operands, float* out, int64_t out_stride,
              bool accumulate, const Finish& finish) {
  if constexpr (Rows > 1) {
    if (rows < Rows) {
      LastTile<Rows - 1, kLast>(rows, operands, out, out_stride, accumulate, finish);
      return;
    }
  }
  Tile<Rows, kLast>(operands, out, out_stride, accumulate, finish);
}

// All rows of a block against one panel.
template <bool kLast, typename Operands>
void Strip(int64_t rows, Operands operands, float* out, int64_t out_stride, bool accumulate,
           Finish finish) {
  for (; rows >= kTile; rows -= kTile) {
    Tile<kTile, kLast>(operands, out, out_stride, accumulate, finish);
    operands.SkipRows(kTile);
    out += kTile * out_stride;
    if (finish.residual != nullptr) finish.residual += kTile * out_stride;
  }
  if (rows > 0) LastTile<kTile - 1, kLast>(rows, operands, out, out_stride, accumulate, finish);
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_TILE_H_
