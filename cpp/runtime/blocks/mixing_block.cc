// Stage A's block, where its encoder runs as the graph's or the decoder does not run in strips.
#include <ATen/ops/empty.h>

#include <algorithm>

#include "runtime/blocks/block.h"
#include "runtime/blocks/checks.h"
#include "runtime/blocks/mixer.h"
#include "runtime/blocks/tasks.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr int64_t kRows = 72;  // of a block: their hidden layer fits the second cache

class MixingBlock final : public Block {
 public:
  MixingBlock(Context& context, torch::jit::Module module)
      : context_(context), module_(std::move(module)) {}

  at::Tensor Run(const Inputs& inputs) override {
    const auto& kernels = context_.kernels;
    if (!ready_) mixer_ = {kernels, module_, context_.packing};
    ready_ = true;
    CheckMap(context_, inputs.x, mixer_.channels());
    const auto x = inputs.x.contiguous();
    const int64_t channels = x.size(3), rows = x.numel() / channels, pixels = rows / x.size(0);
    float* const statistics = context_.arena.Get(Arena::kStatistics, 2 * rows);
    const Statistics norm{statistics, statistics + rows};
    Measure(kernels, x, norm);
    auto out = at::empty(x.sizes(), x.options());
    const auto cut = CutRows(kernels, pixels, kRows);
    ForEachTask(x.size(0) * cut.count, WorkOn(rows * channels, 16.0 * channels),
                [&](int64_t block) {
                  const int64_t image = block / cut.count, first = block % cut.count * cut.rows;
                  const int64_t before = image * pixels;
                  const MapRows map{.cells = kernels.At(x.const_data_ptr(), before * channels),
                                    .norm = {norm.centre + before, norm.spread + before},
                                    .height = x.size(1),
                                    .width = x.size(2),
                                    .channels = channels,
                                    .held = x.size(1)};
                  mixer_.Mix(map, first, std::min(first + cut.rows, pixels),
                             kernels.At(out.mutable_data_ptr(), (before + first) * channels));
                });
    return out;
  }

  void Forget() override {
    ready_ = false;
    mixer_ = Mixer();
  }
  int64_t packed_bytes() const override { return mixer_.packed_bytes(); }

 private:
  Context& context_;
  const torch::jit::Module module_;
  bool ready_ = false;
  Mixer mixer_;
};

}  // namespace

std::unique_ptr<Block> MakeMixingBlock(Context& context, torch::jit::Module module) {
  if (!Mixer::Fits(context.kernels, module)) return nullptr;
  return std::make_unique<MixingBlock>(context, std::move(module));
}

}  // namespace wuerstchen::runtime::blocks
