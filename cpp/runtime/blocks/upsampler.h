// Stage A's strided transposed convolution, 4x4 with stride 2, as four products: each of the four
// cells that a cell becomes reads four neighbours. Belongs to the device's thread.
#ifndef CPP_RUNTIME_BLOCKS_UPSAMPLER_H_
#define CPP_RUNTIME_BLOCKS_UPSAMPLER_H_

#include <torch/csrc/jit/api/module.h>

#include "runtime/blocks/depthwise.h"
#include "runtime/blocks/product.h"

namespace wuerstchen::runtime::blocks {

class Upsampler {
 public:
  Upsampler() = default;
  // Of an `Upsample` of the graph that `Fits`.
  Upsampler(const kernels::Kernels& kernels, const torch::jit::Module& module);
  static bool Fits(const kernels::Kernels& kernels, const torch::jit::Module& module);

  // What cells [first, end) of a map become; they are of one row. `above` and `below`: the first of
  // their cells in two rows of the result. On this thread.
  void Run(const MapRows& map, int64_t first, int64_t end, void* above, void* below) const;
  int64_t channels() const { return taps_[0][0].columns(); }
  int64_t packed_bytes() const;

 private:
  const kernels::Kernels* kernels_ = nullptr;
  at::Tensor bias_;
  Matrix taps_[4][4];  // by place in the kernel, (out, in) each
};

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_UPSAMPLER_H_
