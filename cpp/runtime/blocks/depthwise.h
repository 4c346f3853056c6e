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

// Weights of a depthwise convolution in the order in which the kernels read them.
struct DepthwiseWeights {
  DepthwiseWeights() = default;
  // (C, 1, 3, 3) and (C)
  DepthwiseWeights(const kernels::Kernels& kernels, const at::Tensor& weight,
                   const at::Tensor& bias);
  at::Tensor taps;  // (9, C) float32
  at::Tensor bias;  // (C) float32
};

// Rows of a map of which not all need to be there: row y lies at y % held.
struct MapRows {
  const void* cells;  // (held, width, channels)
  Statistics norm;    // of each cell; null where it is not normed
  int64_t height, width, channels, held;
};

struct Depthwise {
  const at::Tensor& x;               // (B, H, W, C) contiguous
  const Statistics* norm = nullptr;  // of `x`, which is normed with them first
  const DepthwiseWeights& weights;
  bool adds;       // `x` to the result
  bool replicate;  // beyond the border is the border, else zero
};

// Pixels [first, end) of a map, into `out` and `statistics`, which begin with the first; they lie
// in rows that follow each other.
void ComputePixels(const kernels::Kernels& kernels, const MapRows& map,
                   const DepthwiseWeights& weights, bool adds, bool replicate, int64_t first,
                   int64_t end, void* out, Statistics statistics);
// Pixels [first, end) of one image, into `out` and `statistics`, which begin with the first.
void ComputePixels(const kernels::Kernels& kernels, const Depthwise& depthwise, int64_t image,
                   int64_t first, int64_t end, void* out, Statistics statistics);
// All of them.
void Compute(const kernels::Kernels& kernels, const Depthwise& depthwise, void* out,
             Statistics statistics);
void Measure(const kernels::Kernels& kernels, const at::Tensor& x, Statistics statistics);
// The same of some rows, on this thread.
void Measure(const kernels::Kernels& kernels, const void* rows, int64_t count, int64_t channels,
             Statistics statistics);

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_DEPTHWISE_H_
