// What a block of Stage A does to some pixels of a map. Its six scalars are folded into the weights
// that they meet, and its wide hidden layer lives for these pixels only: it never leaves the cache.
#ifndef CPP_RUNTIME_BLOCKS_MIXER_H_
#define CPP_RUNTIME_BLOCKS_MIXER_H_

#include <torch/csrc/jit/api/module.h>

#include "runtime/blocks/depthwise.h"
#include "runtime/blocks/product.h"

namespace wuerstchen::runtime::blocks {

class Mixer {
 public:
  Mixer() = default;
  // Of a `MixingBlock` of the graph that `Fits`.
  Mixer(const kernels::Kernels& kernels, const torch::jit::Module& module, Packing packing);
  static bool Fits(const kernels::Kernels& kernels, const torch::jit::Module& module);

  // Pixels [first, end) of a normed map, into `out`, which begins with the first. On this thread.
  void Mix(const MapRows& map, int64_t first, int64_t end, void* out) const;
  int64_t channels() const { return reduce_.columns(); }
  int64_t packed_bytes() const { return expand_.packed_bytes() + reduce_.packed_bytes(); }

 private:
  struct Scratch;
  Scratch ScratchOf(int64_t rows) const;
  void MixChannels(const Scratch& memory, int64_t rows, void* out) const;
  void Multiply(const kernels::Segment& segment, int64_t columns, kernels::ProductArgs args) const;

  const kernels::Kernels* kernels_ = nullptr;
  DepthwiseWeights depthwise_;
  at::Tensor expand_bias_, reduce_bias_;
  Matrix expand_, reduce_;
};

// A packing for weights that are not what lies in a file, in Stage A. What is left of a picture by
// then forgives less: rows that meet 8 bits keep 16.
Packing FoldedPacking(Packing packing);

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_MIXER_H_
