#include "runtime/blocks/block.h"

namespace wuerstchen::runtime::blocks {

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
