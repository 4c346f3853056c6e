// Stage A's block. Its six scalars are folded into the weights that they meet, and its wide hidden
// layer lives for one block of rows at a time: it never leaves the cache.
#include <ATen/ops/empty.h>

#include <algorithm>

#include "runtime/blocks/block.h"
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
    auto& arena = context_.arena;
    const auto x = inputs.x.contiguous();
    const int64_t channels = x.size(3), rows = x.numel() / channels;
    float* const statistics = arena.Get(Arena::kStatistics, 4 * rows);
    const Statistics before{statistics, statistics + rows};
    const Statistics after{statistics + 2 * rows, statistics + 3 * rows};
    void* const mixed = arena.Get(Arena::kConvolved, rows * channels, context_.kernels);
    Measure(context_.kernels, x, before);
    Compute(context_.kernels, Depthwise{.x = x,
                                        .norm = &before,
                                        .taps = taps_,
                                        .bias = depthwise_bias_,
                                        .residual = x.const_data_ptr(),
                                        .out = mixed,
                                        .statistics = after,
                                        .replicate = true});
    auto out = at::empty(x.sizes(), x.options());
    MixChannels(mixed, after, x.size(0), rows / x.size(0), out.mutable_data_ptr());
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
    const auto taps = Taps(Wide(module_, "depthwise.1.weight")).to(at::kDouble);
    const auto bias = Wide(module_, "depthwise.1.bias").to(at::kDouble);
    taps_ = (taps * (1 + gamma(0)) * gamma(2)).to(at::kFloat).contiguous();
    // The border repeats itself, so every pixel has all nine neighbours: a shift of the map is a
    // shift of the result.
    depthwise_bias_ = ((bias + gamma(1) * taps.sum(0)) * gamma(2)).to(at::kFloat);
    const auto expand = Wide(module_, "channelwise.0.weight").to(at::kDouble);
    const auto reduce = Wide(module_, "channelwise.2.weight").to(at::kDouble);
    expand_bias_ = (Wide(module_, "channelwise.0.bias").to(at::kDouble) + gamma(4) * expand.sum(1))
                       .to(at::kFloat);
    reduce_bias_ = (Wide(module_, "channelwise.2.bias").to(at::kDouble) * gamma(5)).to(at::kFloat);
    // They are no longer what lies in the file.
    const auto packing = context_.packing == Packing::kInt8 ? Packing::kInt8 : Packing::kFull;
    expand_ = Matrix(context_.kernels, {(expand * (1 + gamma(3))).to(at::kFloat)}, packing);
    reduce_ = Matrix(context_.kernels, {(reduce * gamma(5)).to(at::kFloat)}, packing);
    ready_ = true;
  }

  // out = mixed + reduce(gelu(expand(norm(mixed))))
  void MixChannels(const void* mixed, Statistics norm, int64_t images, int64_t pixels, void* out) {
    const auto& kernels = context_.kernels;
    const int64_t hidden_channels = expand_.columns(), channels = reduce_.columns();
    const auto cut = CutRows(pixels, kRows);
    ForEachTask(images * cut.count, [&](int64_t block) {
      float* const scratch = Scratch(kernels.product_scratch + cut.rows * hidden_channels);
      void* const hidden = scratch + kernels.product_scratch;
      const int64_t start = block % cut.count * cut.rows;
      const int64_t row = block / cut.count * pixels + start;
      const int64_t rows = std::min(cut.rows, pixels - start);
      const kernels::Segment expand{.rows = kernels.At(mixed, row * channels),
                                    .stride = channels,
                                    .depth = channels,
                                    .centre = norm.centre + row,
                                    .spread = norm.spread + row,
                                    .factor = nullptr,
                                    .weight = expand_.weight()};
      kernels.product({.segments = &expand,
                       .segment_count = 1,
                       .rows = rows,
                       .strip_rows = rows,
                       .columns = hidden_channels,
                       .first_panel = 0,
                       .end_panel = hidden_channels / kernels.panel,
                       .out = hidden,
                       .out_stride = hidden_channels,
                       .bias = expand_bias_.const_data_ptr<float>(),
                       .residual = nullptr,
                       .gelu = true,
                       .energy = nullptr,
                       .scratch = scratch});
      const kernels::Segment reduce{.rows = hidden,
                                    .stride = hidden_channels,
                                    .depth = hidden_channels,
                                    .centre = nullptr,
                                    .spread = nullptr,
                                    .factor = nullptr,
                                    .weight = reduce_.weight()};
      kernels.product({.segments = &reduce,
                       .segment_count = 1,
                       .rows = rows,
                       .strip_rows = rows,
                       .columns = channels,
                       .first_panel = 0,
                       .end_panel = channels / kernels.panel,
                       .out = kernels.At(out, row * channels),
                       .out_stride = channels,
                       .bias = reduce_bias_.const_data_ptr<float>(),
                       .residual = kernels.At(mixed, row * channels),
                       .gelu = false,
                       .energy = nullptr,
                       .scratch = scratch});
    });
  }

  Context& context_;
  const torch::jit::Module module_;
  bool ready_ = false;
  at::Tensor taps_, depthwise_bias_, expand_bias_, reduce_bias_;
  Matrix expand_, reduce_;
};

}  // namespace

std::unique_ptr<Block> MakeMixingBlock(Context& context, torch::jit::Module module) {
  for (const auto* name : {"channelwise.0.weight", "channelwise.2.weight"}) {
    if (!Matrix::Fits(context.kernels, Parameter(module, name))) return nullptr;
  }
  return std::make_unique<MixingBlock>(context, std::move(module));
}

}  // namespace wuerstchen::runtime::blocks
