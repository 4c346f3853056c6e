#include "runtime/noise.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randn.h>
#include <c10/util/accumulate.h>

#include <algorithm>

#include "runtime/tensor.h"
#include "runtime/workspace.h"

namespace wuerstchen::runtime {
namespace {

// torch makes normal numbers in groups of so many, in order: a draw of whole groups gives what the
// same numbers give as a part of a larger one.
constexpr int64_t kGroup = 16;

// Numbers between two places of the generator. A place takes 2.5 KB, these 256; drawing them to
// get from a place to a row takes a fraction of a millisecond.
constexpr int64_t kApart = 65536;

// Rows whose parts are passed over at once. All of them where a row's part does not end with a
// group.
int64_t RowsTogether(int64_t numbers, int64_t rows) {
  return numbers % kGroup == 0 ? std::clamp<int64_t>(kApart / numbers, 1, rows) : rows;
}

Shape WithRows(Shape shape, int64_t rows) {
  shape.at(0) = rows;
  return shape;
}

at::Tensor PartOf(const at::Tensor& numbers, int64_t row) {
  const auto part = numbers.narrow(0, row, 1).to(at::kFloat);
  // A clone: a view would keep the memory of the other rows.
  return part.is_alias_of(numbers) && numbers.size(0) > 1 ? part.clone() : part;
}

}  // namespace

TorchNoise::TorchNoise(uint64_t seed, int64_t rows, at::ScalarType dtype)
    : Noise(rows), seed_(seed), dtype_(dtype), rows_(rows) {}

void TorchNoise::Release(int64_t row) {
  const std::lock_guard lock(mutex_);
  rows_.at(row).released = true;
  Forget();
}

at::Tensor TorchNoise::Peek(int64_t row, int64_t ahead, const Shape& shape) {
  const std::lock_guard lock(mutex_);
  const auto& [taken, released] = rows_.at(row);
  if (released) throw Error(ErrorCode::kDisposed, "This row's noise was released");
  const auto place = static_cast<size_t>(taken + ahead - forgotten_);
  at::Tensor part;
  while (draws_.size() <= place) part = Pass(shape, row);
  if (draws_[place].shape != shape) {
    throw Error(ErrorCode::kInvalidArgument,
                "Expected every row to draw the same shapes in the same order");
  }
  return part.defined() ? part : Repeat(draws_[place], row);
}

void TorchNoise::Take(int64_t row, int64_t count) {
  const std::lock_guard lock(mutex_);
  rows_.at(row).taken += count;
  Forget();
}

// Draws for all rows, notes the way, and returns this row's part.
at::Tensor TorchNoise::Pass(Shape shape, int64_t row) {
  if (!generator_) generator_ = at::detail::createCPUGenerator(seed_);
  const int64_t together = RowsTogether(c10::multiply_integers(shape), rows);
  Draw draw{std::move(shape), together, {}};
  at::Tensor part;
  for (int64_t first = 0; first < rows; first += together) {
    draw.places.push_back(generator_->clone());
    const int64_t count = std::min(together, rows - first);
    const auto numbers = at::randn(WithRows(draw.shape, count), generator_, dtype_);
    if (row >= first && row < first + count) part = PartOf(numbers, row - first);
  }
  draws_.push_back(std::move(draw));
  return part;
}

// A row's part of a draw that others have made.
at::Tensor TorchNoise::Repeat(const Draw& draw, int64_t row) const {
  const int64_t place = row / draw.together, first = place * draw.together;
  const int64_t count = std::min(draw.together, rows - first);
  const auto generator = draw.places.at(place).clone();
  // Those behind it change nothing, unless a group of theirs begins in it.
  const bool whole = c10::multiply_integers(draw.shape) % kGroup == 0;
  const int64_t drawn = whole ? row - first + 1 : count;
  return PartOf(at::randn(WithRows(draw.shape, drawn), generator, dtype_), row - first);
}

// Lets go of draws that every row has taken which will ask again.
void TorchNoise::Forget() {
  const auto behind = [this](const Row& row) { return !row.released && row.taken <= forgotten_; };
  while (!draws_.empty() && std::none_of(rows_.begin(), rows_.end(), behind)) {
    draws_.pop_front();
    ++forgotten_;
  }
}

std::shared_ptr<Noise> MakeNoise(uint64_t seed, int64_t rows, Dtype dtype) {
  return std::make_shared<TorchNoise>(seed, rows, ScalarTypeOf(dtype));
}

TensorPtr DrawLatents(Workspace& workspace, Noise& noise, int64_t row, const Shape& shape) {
  auto latents = Torch(noise).Peek(row, 0, shape).to(workspace.device);
  Torch(noise).Take(row, 1);
  return Wrap(std::move(latents));
}

}  // namespace wuerstchen::runtime
