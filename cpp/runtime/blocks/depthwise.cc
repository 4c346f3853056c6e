#include "runtime/blocks/depthwise.h"

#include "runtime/blocks/tasks.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr float kEpsilon = 1e-6f;  // of every norm in the networks

}  // namespace

at::Tensor Taps(const at::Tensor& weight) {
  return weight.flatten(1).t().contiguous();
}

void Compute(const kernels::Kernels& kernels, const Depthwise& depthwise) {
  const auto& x = depthwise.x;
  const int64_t height = x.size(1), width = x.size(2), channels = x.size(3);
  const void* const in = x.const_data_ptr();
  ForEachTask(x.size(0) * height, [&](int64_t line) {
    const int64_t image = line / height, row = line % height;
    const int64_t pixel = image * height * width, place = pixel * channels;
    const auto* norm = depthwise.norm;
    kernels.depthwise({
        .in = kernels.At(in, place),
        .centre = norm == nullptr ? nullptr : norm->centre + pixel,
        .spread = norm == nullptr ? nullptr : norm->spread + pixel,
        .taps = depthwise.taps.const_data_ptr<float>(),
        .bias = depthwise.bias.const_data_ptr<float>(),
        .residual = kernels.At(depthwise.residual, place),
        .out = kernels.At(depthwise.out, place),
        .out_centre = depthwise.statistics.centre + pixel,
        .out_spread = depthwise.statistics.spread + pixel,
        .height = height,
        .width = width,
        .channels = channels,
        .first_row = row,
        .end_row = row + 1,
        .replicate = depthwise.replicate,
        .epsilon = kEpsilon,
    });
  });
}

void Measure(const kernels::Kernels& kernels, const at::Tensor& x, Statistics statistics) {
  const int64_t channels = x.size(-1);
  const void* const rows = x.const_data_ptr();
  at::parallel_for(0, x.numel() / channels, 64, [&](int64_t first, int64_t end) {
    kernels.statistics(kernels.At(rows, first * channels), end - first, channels, kEpsilon,
                       statistics.centre + first, statistics.spread + first);
  });
}

}  // namespace wuerstchen::runtime::blocks
