#include "runtime/blocks/depthwise.h"

#include <ATen/ops/cat.h>

#include "runtime/blocks/tasks.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr float kEpsilon = 1e-6f;  // of every norm in the networks

// Of each panel's width the even channels first, where the kernels take neighbours apart.
at::Tensor Ordered(const kernels::Kernels& kernels, const at::Tensor& rows) {
  if (kernels.number == kernels::Number::kFloat32) return rows.contiguous();
  const int64_t channels = rows.size(-1), whole = channels / kernels.panel * kernels.panel;
  const auto panels = rows.narrow(-1, 0, whole).unflatten(-1, {-1, kernels.panel / 2, 2});
  return at::cat({panels.transpose(-1, -2).flatten(-3), rows.narrow(-1, whole, channels - whole)},
                 -1)
      .contiguous();
}

}  // namespace

DepthwiseWeights::DepthwiseWeights(const kernels::Kernels& kernels, const at::Tensor& weight,
                                   const at::Tensor& bias)
    : taps(Ordered(kernels, weight.flatten(1).t())), bias(Ordered(kernels, bias)) {}

void ComputePixels(const kernels::Kernels& kernels, const Depthwise& depthwise, int64_t image,
                   int64_t first, int64_t end, void* out, Statistics statistics) {
  const auto& x = depthwise.x;
  const int64_t height = x.size(1), width = x.size(2), channels = x.size(3);
  const int64_t pixel = image * height * width;
  const void* const in = kernels.At(x.const_data_ptr(), pixel * channels);
  const auto* norm = depthwise.norm;
  kernels.depthwise({
      .in = in,
      .centre = norm == nullptr ? nullptr : norm->centre + pixel,
      .spread = norm == nullptr ? nullptr : norm->spread + pixel,
      .taps = depthwise.weights.taps.const_data_ptr<float>(),
      .bias = depthwise.weights.bias.const_data_ptr<float>(),
      .residual = depthwise.adds ? kernels.At(in, first * channels) : nullptr,
      .out = out,
      .out_centre = statistics.centre,
      .out_spread = statistics.spread,
      .height = height,
      .width = width,
      .channels = channels,
      .first = first,
      .end = end,
      .replicate = depthwise.replicate,
      .epsilon = kEpsilon,
  });
}

void Compute(const kernels::Kernels& kernels, const Depthwise& depthwise, void* out,
             Statistics statistics) {
  const auto& x = depthwise.x;
  const int64_t height = x.size(1), width = x.size(2), channels = x.size(3);
  ForEachTask(x.size(0) * height, [&](int64_t line) {
    const int64_t first = line % height * width, pixel = line * width;
    ComputePixels(kernels, depthwise, line / height, first, first + width,
                  kernels.At(out, pixel * channels),
                  {statistics.centre + pixel, statistics.spread + pixel});
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
