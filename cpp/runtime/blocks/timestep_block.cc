// Scales and shifts a map by what depends on the timestep alone, in one pass.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "runtime/blocks/block.h"

namespace wuerstchen::runtime::blocks {
namespace {

class TimestepBlock final : public Block {
 public:
  TimestepBlock(Context& context, const torch::jit::Module& module)
      : context_(context), start_(module.attr("start").toInt()) {}

  at::Tensor Run(const Inputs& inputs) override {
    const auto x = context_.copies.Leave(inputs.x).contiguous();
    const auto modulation = inputs.modulation.contiguous();
    auto out = at::empty(x.sizes(), x.options());
    const int64_t pixels = x.size(1) * x.size(2), channels = x.size(3);
    const auto& kernels = context_.kernels;
    const void* const from = x.const_data_ptr();
    void* const to = out.mutable_data_ptr();
    for (int64_t image = 0; image < x.size(0); ++image) {
      const void* const scale =
          kernels.At(modulation.const_data_ptr(), image * modulation.size(1) + start_);
      at::parallel_for(0, pixels, 64, [&](int64_t first, int64_t end) {
        const int64_t place = (image * pixels + first) * channels;
        kernels.modulate(kernels.At(from, place), end - first, channels, scale,
                         kernels.At(scale, channels), kernels.At(to, place));
      });
    }
    return out;
  }

  void Forget() override {}
  int64_t packed_bytes() const override { return 0; }

 private:
  Context& context_;
  const int64_t start_;  // of this block's scales in the modulation; its shifts follow
};

}  // namespace

std::unique_ptr<Block> MakeTimestepBlock(Context& context, torch::jit::Module module) {
  return std::make_unique<TimestepBlock>(context, module);
}

}  // namespace wuerstchen::runtime::blocks
