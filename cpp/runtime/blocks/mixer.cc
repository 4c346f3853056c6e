#include "runtime/blocks/mixer.h"

#include <algorithm>

#include "runtime/blocks/block.h"

namespace wuerstchen::runtime::blocks {

Packing FoldedPacking(Packing packing) {
  if (packing == Packing::kBytes) return Packing::kInt8;
  return packing == Packing::kNone ? Packing::kFull : packing;
}

bool Mixer::Fits(const kernels::Kernels& kernels, const torch::jit::Module& module) {
  for (const auto* name : {"channelwise.0.weight", "channelwise.2.weight"}) {
    const auto weight = Parameter(module, name);
    if (!Matrix::Fits(kernels, weight)) return false;
    if (weight.size(0) > kernels::kPartColumns) return false;  // a chunk of rows has them all
  }
  return true;
}

Mixer::Mixer(const kernels::Kernels& kernels, const torch::jit::Module& module, Packing packing)
    : kernels_(&kernels) {
  const auto gammas = Wide(module, "gammas").to(at::kDouble);
  const auto gamma = [&gammas](int64_t index) { return gammas.select(0, index); };
  const auto taps = Wide(module, "depthwise.1.weight").to(at::kDouble);
  const auto bias = Wide(module, "depthwise.1.bias").to(at::kDouble);
  // The border repeats itself, so every pixel has all nine neighbours: a shift of the map is a
  // shift of the result.
  const auto shifted = (bias + gamma(1) * taps.flatten(1).sum(1)) * gamma(2);
  depthwise_ = {kernels, (taps * (1 + gamma(0)) * gamma(2)).to(at::kFloat), shifted.to(at::kFloat)};
  const auto expand = Wide(module, "channelwise.0.weight").to(at::kDouble);
  const auto reduce = Wide(module, "channelwise.2.weight").to(at::kDouble);
  expand_bias_ = (Wide(module, "channelwise.0.bias").to(at::kDouble) + gamma(4) * expand.sum(1))
                     .to(at::kFloat);
  reduce_bias_ = (Wide(module, "channelwise.2.bias").to(at::kDouble) * gamma(5)).to(at::kFloat);
  const auto folded = FoldedPacking(packing);
  expand_ = Matrix(kernels, {(expand * (1 + gamma(3))).to(at::kFloat)}, folded);
  reduce_ = Matrix(kernels, {(reduce * gamma(5)).to(at::kFloat)}, folded);
}

// A thread's memory for some pixels.
struct Mixer::Scratch {
  float* product;
  Statistics statistics;
  void* mixed;   // (rows, channels)
  void* hidden;  // rows `hidden_stride` apart
  int64_t hidden_stride;
};

Mixer::Scratch Mixer::ScratchOf(int64_t rows) const {
  const int64_t stride = std::max(expand_.columns(), kernels_->row_stride);
  float* const product =
      blocks::Scratch(kernels_->product_scratch + rows * (2 + channels() + stride));
  float* const statistics = product + kernels_->product_scratch;
  float* const mixed = statistics + 2 * rows;
  return {product, {statistics, statistics + rows}, mixed, mixed + rows * channels(), stride};
}

void Mixer::Mix(const MapRows& map, int64_t first, int64_t end, void* out) const {
  const auto memory = ScratchOf(end - first);
  ComputePixels(*kernels_, map, depthwise_, true, true, first, end, memory.mixed,
                memory.statistics);
  MixChannels(memory, end - first, out);
}

// out = mixed + reduce(gelu(expand(norm(mixed))))
void Mixer::MixChannels(const Scratch& memory, int64_t rows, void* out) const {
  Multiply({.rows = memory.mixed,
            .stride = channels(),
            .depth = channels(),
            .centre = memory.statistics.centre,
            .spread = memory.statistics.spread,
            .factor = nullptr,
            .weight = expand_.weight()},
           expand_.columns(),
           {.rows = rows,
            .out = memory.hidden,
            .out_stride = memory.hidden_stride,
            .bias = expand_bias_.const_data_ptr<float>(),
            .gelu = true,
            .scratch = memory.product});
  Multiply({.rows = memory.hidden,
            .stride = memory.hidden_stride,
            .depth = expand_.columns(),
            .centre = nullptr,
            .spread = nullptr,
            .factor = nullptr,
            .weight = reduce_.weight()},
           channels(),
           {.rows = rows,
            .out = out,
            .out_stride = channels(),
            .bias = reduce_bias_.const_data_ptr<float>(),
            .residual = memory.mixed,
            .scratch = memory.product});
}

// All columns of some rows.
void Mixer::Multiply(const kernels::Segment& segment, int64_t columns,
                     kernels::ProductArgs args) const {
  args.segments = &segment;
  args.segment_count = 1;
  args.strip_rows = args.rows;
  args.columns = columns;
  args.end_panel = columns / kernels_->panel;
  kernels_->product(args);
}

}  // namespace wuerstchen::runtime::blocks
