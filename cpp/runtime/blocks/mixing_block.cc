// Stage A's block. Its six scalars are folded into the weights that they meet, and its wide hidden
// layer lives for one block of rows at a time: it never leaves the cache.
#include <ATen/ops/empty.h>

#include <algorithm>

#include "runtime/blocks/block.h"
#include "runtime/blocks/checks.h"
#include "runtime/blocks/depthwise.h"
#include "runtime/blocks/tasks.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr int64_t kRows = 72;  // of a block: their hidden layer fits the second cache

class MixingBlock final : public Block {
 public:
  MixingBlock(Context& context, torch::jit::Module module)
      : context_(context), module_(std::move(module)) {}

  at::Tensor Run(const Inputs& inputs) override {
    if (!ready_) Prepare();
    const auto& kernels = context_.kernels;
    CheckMap(context_, inputs.x, reduce_.columns());
    const auto x = inputs.x.contiguous();
    const int64_t channels = x.size(3), rows = x.numel() / channels, pixels = rows / x.size(0);
    float* const statistics = context_.arena.Get(Arena::kStatistics, 2 * rows);
    const Statistics norm{statistics, statistics + rows};
    Measure(kernels, x, norm);
    const Depthwise depthwise{
        .x = x, .norm = &norm, .weights = depthwise_, .adds = true, .replicate = true};
    auto out = at::empty(x.sizes(), x.options());
    const auto cut = CutRows(kernels, pixels, kRows);
    ForEachTask(x.size(0) * cut.count, [&](int64_t block) {
      const int64_t image = block / cut.count, first = block % cut.count * cut.rows;
      const int64_t end = std::min(first + cut.rows, pixels);
      const auto memory = ScratchOf(cut.rows);
      ComputePixels(kernels, depthwise, image, first, end, memory.mixed, memory.statistics);
      MixChannels(memory, end - first,
                  kernels.At(out.mutable_data_ptr(), (image * pixels + first) * channels));
    });
    return out;
  }

  void Forget() override {
    ready_ = false;
    expand_ = reduce_ = Matrix();
  }
  int64_t packed_bytes() const override { return expand_.packed_bytes() + reduce_.packed_bytes(); }

 private:
  void Prepare() {
    const auto gammas = Wide(module_, "gammas").to(at::kDouble);
    const auto gamma = [&gammas](int64_t index) { return gammas.select(0, index); };
    const auto taps = Wide(module_, "depthwise.1.weight").to(at::kDouble);
    const auto bias = Wide(module_, "depthwise.1.bias").to(at::kDouble);
    // The border repeats itself, so every pixel has all nine neighbours: a shift of the map is a
    // shift of the result.
    const auto shifted = (bias + gamma(1) * taps.flatten(1).sum(1)) * gamma(2);
    depthwise_ = {context_.kernels, (taps * (1 + gamma(0)) * gamma(2)).to(at::kFloat),
                  shifted.to(at::kFloat)};
    const auto expand = Wide(module_, "channelwise.0.weight").to(at::kDouble);
    const auto reduce = Wide(module_, "channelwise.2.weight").to(at::kDouble);
    expand_bias_ = (Wide(module_, "channelwise.0.bias").to(at::kDouble) + gamma(4) * expand.sum(1))
                       .to(at::kFloat);
    reduce_bias_ = (Wide(module_, "channelwise.2.bias").to(at::kDouble) * gamma(5)).to(at::kFloat);
    // They are no longer what lies in the file. What is left of a picture by then forgives less:
    // rows keep 16 bits.
    const auto packing = context_.packing == Packing::kBytes  ? Packing::kInt8
                         : context_.packing == Packing::kNone ? Packing::kFull
                                                              : context_.packing;
    expand_ = Matrix(context_.kernels, {(expand * (1 + gamma(3))).to(at::kFloat)}, packing);
    reduce_ = Matrix(context_.kernels, {(reduce * gamma(5)).to(at::kFloat)}, packing);
    ready_ = true;
  }

  // A thread's memory for one block of rows.
  struct Scratch {
    float* product;
    Statistics statistics;
    void* mixed;   // (rows, channels)
    void* hidden;  // rows `hidden_stride` apart
    int64_t hidden_stride;
  };

  Scratch ScratchOf(int64_t rows) const {
    const auto& kernels = context_.kernels;
    const int64_t channels = reduce_.columns(),
                  stride = std::max(expand_.columns(), kernels.row_stride);
    float* const product =
        blocks::Scratch(kernels.product_scratch + rows * (2 + channels + stride));
    float* const statistics = product + kernels.product_scratch;
    float* const mixed = statistics + 2 * rows;
    return {product, {statistics, statistics + rows}, mixed, mixed + rows * channels, stride};
  }

  // out = mixed + reduce(gelu(expand(norm(mixed))))
  void MixChannels(const Scratch& memory, int64_t rows, void* out) const {
    const int64_t channels = reduce_.columns();
    Multiply({.rows = memory.mixed,
              .stride = channels,
              .depth = channels,
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
             channels,
             {.rows = rows,
              .out = out,
              .out_stride = channels,
              .bias = reduce_bias_.const_data_ptr<float>(),
              .residual = memory.mixed,
              .scratch = memory.product});
  }

  // All columns of a block of rows.
  void Multiply(const kernels::Segment& segment, int64_t columns,
                kernels::ProductBlock block) const {
    block.segments = &segment;
    block.segment_count = 1;
    block.strip_rows = block.rows;
    block.columns = columns;
    block.end_panel = columns / context_.kernels.panel;
    context_.kernels.product(block);
  }

  Context& context_;
  const torch::jit::Module module_;
  bool ready_ = false;
  DepthwiseWeights depthwise_;
  at::Tensor expand_bias_, reduce_bias_;
  Matrix expand_, reduce_;
};

}  // namespace

std::unique_ptr<Block> MakeMixingBlock(Context& context, torch::jit::Module module) {
  for (const auto* name : {"channelwise.0.weight", "channelwise.2.weight"}) {
    const auto weight = Parameter(module, name);
    if (!Matrix::Fits(context.kernels, weight)) return nullptr;
    if (weight.size(0) > kernels::kPartColumns) return nullptr;  // a block of rows has them all
  }
  return std::make_unique<MixingBlock>(context, std::move(module));
}

}  // namespace wuerstchen::runtime::blocks
