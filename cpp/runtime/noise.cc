#include "runtime/noise.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randn.h>

#include <algorithm>

#include "runtime/tensor.h"
#include "runtime/workspace.h"

namespace wuerstchen::runtime {

TorchNoise::TorchNoise(uint64_t seed, int64_t rows, at::ScalarType dtype)
    : Noise(rows), seed_(seed), dtype_(dtype), kept_(rows) {}

void TorchNoise::Release(int64_t row) {
  const std::lock_guard lock(mutex_);
  kept_.at(row).kept.clear();
  kept_.at(row).released = true;
}

at::Tensor TorchNoise::Peek(int64_t row, int64_t ahead, const Shape& shape) {
  const std::lock_guard lock(mutex_);
  auto& [kept, released] = kept_.at(row);
  if (released) throw Error(ErrorCode::kDisposed, "This row's noise was released");
  while (static_cast<int64_t>(kept.size()) <= ahead) DrawForAll(shape);
  if (kept[ahead].sizes() != shape) {
    throw Error(ErrorCode::kInvalidArgument,
                "Expected every row to draw the same shapes in the same order");
  }
  return kept[ahead];
}

void TorchNoise::Take(int64_t row, int64_t count) {
  const std::lock_guard lock(mutex_);
  auto& kept = kept_.at(row).kept;
  // Fewer if the row was released since.
  const auto taken = std::min(count, static_cast<int64_t>(kept.size()));
  kept.erase(kept.begin(), kept.begin() + taken);
}

void TorchNoise::DrawForAll(Shape shape) {
  if (!generator_) generator_ = at::detail::createCPUGenerator(seed_);
  shape.at(0) = rows;
  const auto draw = at::randn(shape, generator_, dtype_).to(at::kFloat);
  for (int64_t row = 0; row < rows; ++row) {
    if (kept_[row].released) continue;
    // A clone: a view would keep every row's memory until the last has asked.
    const auto slice = draw.narrow(0, row, 1);
    kept_[row].kept.push_back(rows == 1 ? slice : slice.clone());
  }
}

std::shared_ptr<Noise> MakeNoise(uint64_t seed, int64_t rows, Dtype dtype) {
  return std::make_shared<TorchNoise>(seed, rows, ScalarTypeOf(dtype));
}

TensorPtr DrawLatents(Workspace& workspace, Noise& noise, int64_t row, const Shape& shape) {
  // A copy: latents are replaced, never written to, but they may outlive the noise on another
  // device.
  auto latents = Torch(noise).Peek(row, 0, shape).to(workspace.device);
  Torch(noise).Take(row, 1);
  return Wrap(std::move(latents));
}

}  // namespace wuerstchen::runtime
