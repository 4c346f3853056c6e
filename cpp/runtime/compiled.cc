#include "runtime/compiled.h"

#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include "runtime/error.h"

namespace wuerstchen::runtime {
namespace {

constexpr char kNetwork[] = "network.";  // what scripts/compile.py calls it

}  // namespace

Compiled::Compiled(const std::string& file, at::Device device) {
  try {
    // One thread runs a device, so the package needs neither locks nor copies of its state.
    package_ = std::make_unique<torch::inductor::AOTIModelPackageLoader>(file, "model", true, 1,
                                                                         device.index());
  } catch (...) {
    throw Error(ErrorCode::kGraphFailed,
                "Could not load the compiled graph " + file + ": " + CurrentError().what());
  }
}

Compiled::~Compiled() = default;
Compiled::Compiled(Compiled&&) noexcept = default;

void Compiled::Bind(const FindWeight& weight) {
  std::unordered_map<std::string, at::Tensor> weights;
  for (const auto& name : package_->get_constant_fqns()) {
    if (name.rfind(kNetwork, 0) != 0) {
      throw Error(ErrorCode::kGraphFailed,
                  "Expected a compiled graph to want weights only but it wants " + name);
    }
    weights.emplace(name, weight(name.substr(sizeof kNetwork - 1)));
  }
  package_->load_constants(weights, /*use_inactive=*/false, /*check_full_update=*/true,
                           /*user_managed=*/true);
  weights_ = std::move(weights);  // moves no tensor: they stay where they are
}

at::Tensor Compiled::Run(const std::vector<c10::IValue>& inputs) const {
  std::vector<at::Tensor> flat;
  for (const auto& input : inputs) {
    if (input.isTensor()) {
      flat.push_back(input.toTensor());
    } else {
      for (const auto& tensor : input.toTensorVector()) flat.push_back(tensor);
    }
  }
  // Strides are the code's own business no longer: it was compiled for inputs without gaps.
  for (auto& tensor : flat) tensor = tensor.contiguous();
  return package_->run(flat).at(0);
}

}  // namespace wuerstchen::runtime
