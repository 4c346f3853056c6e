// Scales and shifts a map by what depends on the timestep alone, in one pass.
#include <ATen/ops/empty.h>

#include <algorithm>

#include "runtime/blocks/block.h"
#include "runtime/blocks/checks.h"
#include "runtime/blocks/tasks.h"
#include "runtime/numbers.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr int64_t kRows = 32;       // of a task, at most
constexpr double kOperations = 40;  // of a number: it is read, written and hardly computed with

class TimestepBlock final : public Block {
 public:
  TimestepBlock(Context& context, const torch::jit::Module& module)
      : context_(context),
        start_(module.attr("start").toInt()),
        channels_(module.attr("channels").toInt()) {}

  at::Tensor Run(const Inputs& inputs) override {
    const auto x = context_.copies.Leave(inputs.x).contiguous();
    CheckMap(context_, x, channels_);
    CheckModulation(context_, inputs.modulation, x.size(0), start_ + 2 * channels_);
    const auto modulation = inputs.modulation.contiguous();
    auto out = at::empty(x.sizes(), x.options());
    const int64_t pixels = x.size(1) * x.size(2), channels = x.size(3);
    const auto& kernels = context_.kernels;
    const int64_t rows = TaskSize(x.size(0) * pixels, 4, kRows);
    const int64_t strips = DivideUp(pixels, rows);
    ForEachTask(x.size(0) * strips, WorkOn(x.numel(), kOperations), [&](int64_t task) {
      const int64_t image = task / strips, first = task % strips * rows;
      const int64_t place = (image * pixels + first) * channels;
      const void* const scale =
          kernels.At(modulation.const_data_ptr(), image * modulation.size(1) + start_);
      kernels.modulate(kernels.At(x.const_data_ptr(), place), std::min(rows, pixels - first),
                       channels, scale, kernels.At(scale, channels),
                       kernels.At(out.mutable_data_ptr(), place));
    });
    return out;
  }

  void Forget() override {}
  int64_t packed_bytes() const override { return 0; }

 private:
  Context& context_;
  const int64_t start_;  // of this block's scales in the modulation; its shifts follow
  const int64_t channels_;
};

}  // namespace

std::unique_ptr<Block> MakeTimestepBlock(Context& context, torch::jit::Module module) {
  return std::make_unique<TimestepBlock>(context, module);
}

}  // namespace wuerstchen::runtime::blocks
