#include "runtime/blocks/store.h"

#include "runtime/error.h"
#include "runtime/numbers.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr int64_t kAlignment = 64;  // bytes, of whatever lies in the file

std::string PathOf(const std::string& name) {
  return name.substr(0, name.find('/'));
}

}  // namespace

int64_t Kept::Padded(int64_t bytes) {
  return RoundUp(bytes, kAlignment);
}

Held Kept::Get(const std::string& name, int64_t bytes, const Make& make) {
  if (IsChanged(PathOf(name))) return {make(), false};
  const auto found = tensors_.find(name);
  const auto size = found == tensors_.end() ? 0 : static_cast<int64_t>(found->second.nbytes());
  if (size != Padded(bytes)) {
    throw Error(ErrorCode::kWeightsFailed, "Expected " + std::to_string(Padded(bytes)) +
                                               " bytes of " + name + " but the file has " +
                                               std::to_string(size));
  }
  return {found->second, true};
}

void Kept::SetChanged(const std::string& path, bool changed) {
  if (changed)
    changed_.insert(path);
  else
    changed_.erase(path);
}

std::vector<at::Tensor> Kept::Tensors() const {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : tensors_) {
    if (!IsChanged(PathOf(name))) tensors.push_back(tensor);
  }
  return tensors;
}

Held Workshop::Get(const std::string& name, int64_t bytes, const Store::Make& make) const {
  return store_ == nullptr ? Held{make(), false} : store_->Get(path_ + "/" + name, bytes, make);
}

Matrix Workshop::Read(const std::string& name, const at::Tensor& weight, Packing packing) const {
  if (packing == Packing::kNone) return {kernels_, {weight}, packing};
  return Pack(name, weight.size(0), weight.size(1), packing, [&] { return std::vector{weight}; });
}

Matrix Workshop::Pack(const std::string& name, int64_t columns, int64_t depth, Packing packing,
                      const std::function<std::vector<at::Tensor>()>& weights) const {
  const auto make = [&] { return Matrix(kernels_, weights(), packing).numbers(); };
  const int64_t bytes = Matrix::BytesOf(kernels_, packing, columns, depth);
  return {kernels_, packing, columns, depth, Get(name, bytes, make)};
}

at::Tensor Workshop::Sums(const std::string& name, int64_t count, const Store::Make& make) const {
  const auto held = Get(name, count * static_cast<int64_t>(sizeof(float)), make).numbers;
  return held.defined() && held.scalar_type() == at::kByte ? held.view(at::kFloat) : held;
}

}  // namespace wuerstchen::runtime::blocks
