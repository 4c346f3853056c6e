// The depthwise convolution of a map, and the statistics of its result. Belongs to the device's
// thread.
#ifndef CPP_RUNTIME_BLOCKS_DEPTHWISE_H_
#define CPP_RUNTIME_BLOCKS_DEPTHWISE_H_

#include <ATen/core/Tensor.h>

#include "runtime/kernels/kernels.h"

namespace wuerstchen::runtime::blocks {

// Means and one over deviations of the pixels of a map.
struct Statistics {
  float* centre;
  float* spread;
};

// (C, 1, 3, 3) -> (9, C)
at::Tensor Taps(const at::Tensor& weight);

struct Depthwise {
  const at::Tensor& x;               // (B, H, W, C) contiguous
  const Statistics* norm = nullptr;  // of `x`, which is normed with them first
  const at::Tensor& taps;
  const at::Tensor& bias;
  const void* residual = nullptr;
  void* out;
  Statistics statistics;  // of `out`
  bool replicate;
};

void Compute(const kernels::Kernels& kernels, const Depthwise& depthwise);
void Measure(const kernels::Kernels& kernels, const at::Tensor& x, Statistics statistics);

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_DEPTHWISE_H_
