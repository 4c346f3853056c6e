#include "runtime/weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/max.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "platform/pages.h"
#include "runtime/blocks/tasks.h"
#include "runtime/numbers.h"
#include "runtime/paging.h"
#include "runtime/private_memory.h"

namespace wuerstchen::runtime {
namespace {

[[noreturn]] void Fail(const std::string& message) {
  throw Error(ErrorCode::kWeightsFailed, message);
}

at::ScalarType ScalarTypeOf(StoredDtype dtype) {
  switch (dtype) {
    case StoredDtype::kFloat64:
      return at::kDouble;
    case StoredDtype::kFloat32:
      return at::kFloat;
    case StoredDtype::kFloat16:
      return at::kHalf;
    case StoredDtype::kBFloat16:
      return at::kBFloat16;
    case StoredDtype::kInt64:
      return at::kLong;
    case StoredDtype::kInt32:
      return at::kInt;
  }
  throw Error(ErrorCode::kInternal, "Unknown stored dtype. This is a bug.");
}

// The bytes of a weight, or nothing if its shape cannot be.
std::optional<uint64_t> BytesOf(const Shape& shape, at::ScalarType stored) {
  uint64_t bytes = c10::elementSize(stored);
  for (const int64_t length : shape) {
    if (length < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(length), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

void CheckEnd(const std::string& name, const std::string& file, uint64_t offset, uint64_t bytes,
              const platform::FileMapping& mapping) {
  if (offset <= mapping.size() && bytes <= mapping.size() - offset) return;
  Fail("Expected " + file + " to hold " + std::to_string(bytes) + " bytes of " + name + " at " +
       std::to_string(offset) + " but it ends at " + std::to_string(mapping.size()));
}

void CheckExtent(const std::string& name, const StoredTensor& stored,
                 const platform::FileMapping& mapping) {
  if (BytesOf(stored.shape, ScalarTypeOf(stored.dtype)) != stored.bytes) {
    Fail("Expected the bytes of " + name + " to follow from its shape and type but received " +
         std::to_string(stored.bytes));
  }
  CheckEnd(name, stored.file, stored.offset, stored.bytes, mapping);
}

// The stored numbers, without a copy if their address is one that numbers of their kind may have.
at::Tensor View(WeightFiles& files, const std::string& name, const StoredTensor& stored) {
  const auto mapping = files.Open(stored.file);
  CheckExtent(name, stored, *mapping);
  const auto type = ScalarTypeOf(stored.dtype);
  std::byte* bytes = mapping->data() + stored.offset;
  if (stored.offset % c10::elementSize(type) == 0) {
    return at::from_blob(bytes, stored.shape, [mapping](void*) {}, type);
  }
  auto copy = AllocatePrivate(stored.shape, type);
  std::memcpy(copy.mutable_data_ptr(), bytes, stored.bytes);
  return copy;
}

// Numbers of a strip: in float32 it stays in the second cache with what it is computed of.
constexpr int64_t kStrip = 98304;

// Rows of what lies in one piece: those of a matrix, else numbers.
at::Tensor AsRows(const at::Tensor& tensor) {
  return tensor.dim() < 2 ? tensor.view({tensor.numel(), 1}) : tensor.flatten(1);
}

}  // namespace

std::shared_ptr<platform::FileMapping> WeightFiles::Open(const std::string& path) try {
  const platform::OpenFile file(path);
  if (file.identity().size == 0) Fail("Expected " + path + " to hold weights but it is empty");
  std::erase_if(open_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = open_[{path, file.identity()}];
  auto mapping = known.lock();
  if (mapping == nullptr) {
    mapping = file.Map();
    if (read_ahead) platform::ReadAhead(mapping->data(), mapping->size());
    known = mapping;
  }
  return mapping;
} catch (const platform::FileError& error) {
  Fail(error.what());
}

at::Tensor WeightFiles::Bytes(const std::string& name, const std::string& file, uint64_t offset,
                              uint64_t bytes) {
  const auto mapping = Open(file);
  CheckEnd(name, file, offset, bytes, *mapping);
  return at::from_blob(
      mapping->data() + offset, {static_cast<int64_t>(bytes)}, [mapping](void*) {}, at::kByte);
}

bool WeightFiles::Cover(const at::Tensor& tensor) const {
  const auto* first = static_cast<const std::byte*>(tensor.storage().data());
  return std::any_of(open_.begin(), open_.end(), [first](const auto& entry) {
    const auto mapping = entry.second.lock();
    return mapping != nullptr && first >= mapping->data() &&
           first < mapping->data() + mapping->size();
  });
}

WeightSource::WeightSource(WeightFiles& files, const WeightBinding& binding,
                           const at::Tensor& placeholder, at::ScalarType dtype)
    : computed_(binding.mix.has_value() || !binding.deltas.empty()),
      type_(placeholder.is_floating_point() ? dtype : placeholder.scalar_type()) {
  const auto& name = binding.name;
  const auto stored = ScalarTypeOf(binding.stored.dtype);
  if (placeholder.is_floating_point() != c10::isFloatingType(stored)) {
    Fail("Expected " + name + " to be stored as " +
         (placeholder.is_floating_point() ? "floating numbers" : "integers") + " but received " +
         c10::toString(stored));
  }
  base_ = View(files, name, binding.stored);
  if (binding.mix) {
    other_ = View(files, name, binding.mix->other);
    weight_ = binding.mix->weight;
    if (other_->sizes() != base_.sizes()) Fail("Expected both of " + name + " of one shape");
  }
  for (const auto& [up, down, scale] : binding.deltas) {
    deltas_.push_back({View(files, name, up), View(files, name, down), scale});
  }
  CheckDeltas(name);
}

// Before anything is changed: a product of finite numbers may still be infinite, so what is asked
// is whether it could be.
void WeightSource::CheckDeltas(const std::string& name) const {
  double bound = 0;
  for (const auto& [up, down, scale] : deltas_) {
    if (base_.dim() < 2 || up.dim() < 2 || down.dim() < 2) {
      Fail("Expected a matrix and its change but received " + name);
    }
    const auto left = AsRows(up), right = AsRows(down), whole = AsRows(base_);
    if (left.size(0) != whole.size(0) || right.size(1) != whole.size(1) ||
        left.size(1) != right.size(0)) {
      Fail("Expected a change of the shape of " + name);
    }
    if (up.numel() == 0) continue;
    const auto largest = [](const at::Tensor& part) {
      return part.abs().max().to(at::kDouble).item<double>();
    };
    bound += std::abs(scale) * static_cast<double>(left.size(1)) * largest(up) * largest(down);
  }
  if (!(bound < std::numeric_limits<float>::max())) {
    Fail("Expected finite numbers in the change of " + name);
  }
}

void WeightSource::Fill(const at::Tensor& target) const {
  if (target.numel() == 0) return;
  const auto out = AsRows(target), base = AsRows(base_);
  const auto other = other_ ? AsRows(*other_) : at::Tensor();
  std::vector<Delta> deltas;
  for (const auto& [up, down, scale] : deltas_) {
    deltas.push_back({AsRows(up).to(at::kFloat), AsRows(down).to(at::kFloat), scale});
  }
  const int64_t rows = out.size(0);
  const int64_t height = std::max<int64_t>(1, kStrip / out.size(1));
  blocks::ForEachTask(DivideUp(rows, height), [&](int64_t strip) {
    const c10::InferenceMode inference;  // is of the thread, and this may be another one
    const int64_t first = strip * height, count = std::min(height, rows - first);
    const auto place = out.narrow(0, first, count);
    if (!computed_) {
      place.copy_(base.narrow(0, first, count));
      return;
    }
    auto numbers = base.narrow(0, first, count)
                       .to(at::kFloat, /*non_blocking=*/false,
                           /*copy=*/true);
    if (other.defined()) numbers.lerp_(other.narrow(0, first, count).to(at::kFloat), weight_);
    for (const auto& [up, down, scale] : deltas) {
      numbers.addmm_(up.narrow(0, first, count), down, 1, scale);
    }
    place.copy_(numbers);
  });
}

void WeightSource::LetGo() const {
  LetGoOfPages(base_);
  if (other_) LetGoOfPages(*other_);
}

at::Tensor ReadWeight(const WeightSource& source, c10::Device device) {
  if (source.is_stored()) return source.stored().to(device);
  const auto weight = AllocatePrivate(source.stored().sizes(), source.type());
  source.Fill(weight);
  source.LetGo();
  return weight.to(device);
}

}  // namespace wuerstchen::runtime
