// Products on Arm. A register holds kLanes numbers of 32 bits of a row, and an instruction takes
// one of them for all columns, so that a row is read once for as many steps of the depth.
#ifndef CPP_RUNTIME_KERNELS_LANES_H_
#define CPP_RUNTIME_KERNELS_LANES_H_

#include "runtime/kernels/vector.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

// Of float32: one product in each number of 32 bits.
struct AddProducts {
  template <int Lane>
  KERNEL_MEMBER static Vec At(Vec sums, IntVec columns, IntVec row) {
    return reinterpret_cast<Vec>(vfmaq_laneq_f32(reinterpret_cast<float32x4_t>(sums),
                                                 reinterpret_cast<float32x4_t>(columns),
                                                 reinterpret_cast<float32x4_t>(row), Lane));
  }
};

#if KERNEL_PAIRS
// Of bfloat16: two.
struct AddProductsOfPairs {
  template <int Lane>
  KERNEL_MEMBER static Vec At(Vec sums, IntVec columns, IntVec row) {
    return reinterpret_cast<Vec>(vbfdotq_laneq_f32(reinterpret_cast<float32x4_t>(sums),
                                                   reinterpret_cast<bfloat16x8_t>(columns),
                                                   reinterpret_cast<bfloat16x8_t>(row), Lane));
  }
};
#endif

#if KERNEL_FOURS
// Of bytes: four. Those of columns have a sign; of rows see kByteOffset.
struct AddProductsOfFours {
  template <int Lane>
  KERNEL_MEMBER static IntVec At(IntVec sums, IntVec columns, IntVec row) {
#if KERNEL_SIGNED_FOURS
    return reinterpret_cast<IntVec>(vdotq_laneq_s32(reinterpret_cast<int32x4_t>(sums),
                                                    reinterpret_cast<int8x16_t>(columns),
                                                    reinterpret_cast<int8x16_t>(row), Lane));
#else
    return reinterpret_cast<IntVec>(vsudotq_laneq_s32(reinterpret_cast<int32x4_t>(sums),
                                                      reinterpret_cast<int8x16_t>(columns),
                                                      reinterpret_cast<uint8x16_t>(row), Lane));
#endif
  }
};
#endif

template <int Rows, int Lane, typename Add, typename Sum>
KERNEL_INLINE void AddStep(Sum (&sums)[Rows][2], const IntVec (&columns)[kLanes][2], int row,
                           IntVec factors) {
  sums[row][0] = Add::template At<Lane>(sums[row][0], columns[Lane][0], factors);
  sums[row][1] = Add::template At<Lane>(sums[row][1], columns[Lane][1], factors);
}

// sums += left (Rows, depth) * right (depth, kPanel), both in numbers of 32 bits; rows of `left`
// are `stride` bytes apart.
template <typename Add, int Rows, typename Sum>
KERNEL_INLINE void MultiplyByLanes(Sum (&sums)[Rows][2], const void* left, int64_t stride,
                                   const void* right, int64_t depth) {
  constexpr int64_t kBytes = 4;
  const auto* rows = static_cast<const char*>(left);
  const auto* panel = static_cast<const char*>(right);
  for (; depth >= kLanes; depth -= kLanes) {
    IntVec columns[kLanes][2];
#pragma GCC unroll 4
    for (int step = 0; step < kLanes; ++step) {
      columns[step][0] = LoadBits(panel + step * kPanel * kBytes);
      columns[step][1] = LoadBits(panel + (step * kPanel + kLanes) * kBytes);
    }
#pragma GCC unroll 16
    for (int row = 0; row < Rows; ++row) {
      IntVec factors = LoadBits(rows + row * stride);
      // Whole, in a register: GCC 12 would take it apart into four numbers.
      __asm__("" : "+w"(factors));
      AddStep<Rows, 0, Add>(sums, columns, row, factors);
      AddStep<Rows, 1, Add>(sums, columns, row, factors);
      AddStep<Rows, 2, Add>(sums, columns, row, factors);
      AddStep<Rows, 3, Add>(sums, columns, row, factors);
    }
    rows += kLanes * kBytes;
    panel += kLanes * kPanel * kBytes;
  }
  for (; depth > 0; --depth) {
    const IntVec first = LoadBits(panel), second = LoadBits(panel + kLanes * kBytes);
#pragma GCC unroll 16
    for (int row = 0; row < Rows; ++row) {
      const IntVec factors = FillBits(rows + row * stride);
      sums[row][0] = Add::template At<0>(sums[row][0], first, factors);
      sums[row][1] = Add::template At<0>(sums[row][1], second, factors);
    }
    rows += kBytes;
    panel += kPanel * kBytes;
  }
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_LANES_H_
