#include "runtime/blocks/depthwise.h"

#include <ATen/ops/cat.h>

#include <algorithm>

#include "runtime/blocks/tasks.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr float kEpsilon = 1e-6f;  // of every norm in the networks
constexpr int64_t kMeasured = 64;  // rows of a task, at most
constexpr int64_t kFewestPixels = 4;
constexpr double kOperations = 100;  // of a number that is convolved, and of one that is measured:
constexpr double kToMeasure = 20;

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

void ComputePixels(const kernels::Kernels& kernels, const MapRows& map,
                   const DepthwiseWeights& weights, bool adds, bool replicate, int64_t first,
                   int64_t end, void* out, Statistics statistics) {
  const int64_t place = first % (map.held * map.width);
  kernels.depthwise({
      .in = map.cells,
      .centre = map.norm.centre,
      .spread = map.norm.spread,
      .taps = weights.taps.const_data_ptr<float>(),
      .bias = weights.bias.const_data_ptr<float>(),
      .residual = adds ? kernels.At(map.cells, place * map.channels) : nullptr,
      .out = out,
      .out_centre = statistics.centre,
      .out_spread = statistics.spread,
      .height = map.height,
      .held = map.held,
      .width = map.width,
      .channels = map.channels,
      .first = first,
      .end = end,
      .replicate = replicate,
      .epsilon = kEpsilon,
  });
}

void ComputePixels(const kernels::Kernels& kernels, const Depthwise& depthwise, int64_t image,
                   int64_t first, int64_t end, void* out, Statistics statistics) {
  const auto& x = depthwise.x;
  const int64_t height = x.size(1), width = x.size(2), channels = x.size(3);
  const int64_t pixel = image * height * width;
  const auto* norm = depthwise.norm;
  ComputePixels(kernels,
                {.cells = kernels.At(x.const_data_ptr(), pixel * channels),
                 .norm = norm == nullptr ? Statistics{nullptr, nullptr}
                                         : Statistics{norm->centre + pixel, norm->spread + pixel},
                 .height = height,
                 .width = width,
                 .channels = channels,
                 .held = height},
                depthwise.weights, depthwise.adds, depthwise.replicate, first, end, out,
                statistics);
}

void Compute(const kernels::Kernels& kernels, const Depthwise& depthwise, void* out,
             Statistics statistics) {
  const auto& x = depthwise.x;
  const int64_t height = x.size(1), width = x.size(2), channels = x.size(3);
  const int64_t pixels = height * width;
  const int64_t size = TaskSize(x.size(0) * pixels, kFewestPixels, width);
  const int64_t pieces = (pixels + size - 1) / size;
  ForEachTask(x.size(0) * pieces, WorkOn(x.numel(), kOperations), [&](int64_t task) {
    const int64_t image = task / pieces, first = task % pieces * size;
    const int64_t pixel = image * pixels + first;
    ComputePixels(kernels, depthwise, image, first, std::min(first + size, pixels),
                  kernels.At(out, pixel * channels),
                  {statistics.centre + pixel, statistics.spread + pixel});
  });
}

void Measure(const kernels::Kernels& kernels, const void* rows, int64_t count, int64_t channels,
             Statistics statistics) {
  kernels.statistics(rows, count, channels, kEpsilon, statistics.centre, statistics.spread);
}

void Measure(const kernels::Kernels& kernels, const at::Tensor& x, Statistics statistics) {
  const int64_t channels = x.size(-1);
  const void* const rows = x.const_data_ptr();
  const int64_t count = x.numel() / channels;
  const int64_t size = TaskSize(count, kFewestPixels, kMeasured);
  ForEachTask((count + size - 1) / size, WorkOn(x.numel(), kToMeasure), [&](int64_t task) {
    const int64_t first = task * size;
    Measure(kernels, kernels.At(rows, first * channels), std::min(size, count - first), channels,
            {statistics.centre + first, statistics.spread + first});
  });
}

}  // namespace wuerstchen::runtime::blocks
