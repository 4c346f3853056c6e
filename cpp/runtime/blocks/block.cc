#include "runtime/blocks/block.h"

#include <ATen/ops/index_select.h>

#include "runtime/error.h"

namespace wuerstchen::runtime::blocks {

at::Tensor Copies::Leave(const at::Tensor& x) const {
  return sources.defined() && x.size(0) == sources.size(0) ? x.narrow(0, 0, distinct) : x;
}

at::Tensor Copies::Restore(const at::Tensor& x) {
  if (!sources.defined()) return x;
  const auto all = x.size(0) == sources.size(0) ? x : x.index_select(0, sources);
  sources.reset();
  return all;
}

at::Tensor Block::Condition(const at::Tensor&) {
  throw Error(ErrorCode::kInternal, "Expected a block that reads text. This is a bug.");
}

at::Tensor Parameter(const torch::jit::Module& module, const std::string& name) {
  const auto dot = name.find('.');
  const auto value = module.attr(name.substr(0, dot));
  if (dot == std::string::npos) return value.toTensor();
  return Parameter(value.toModule(), name.substr(dot + 1));
}

at::Tensor Wide(const torch::jit::Module& module, const std::string& name) {
  return Parameter(module, name).to(at::kFloat).contiguous();
}

}  // namespace wuerstchen::runtime::blocks
