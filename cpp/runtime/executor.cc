#include "runtime/executor.h"

#include "runtime/error.h"

namespace wuerstchen::runtime {

std::vector<at::Tensor> Flatten(const c10::IValue& result, const std::string& method) {
  if (result.isTensor()) return {result.toTensor()};
  if (result.isTensorList()) return result.toTensorVector();
  std::vector<at::Tensor> tensors;
  if (result.isTuple()) {
    for (const auto& element : result.toTupleRef().elements()) {
      if (element.isTensor()) tensors.push_back(element.toTensor());
    }
    if (tensors.size() == result.toTupleRef().elements().size()) return tensors;
  }
  throw Error(ErrorCode::kGraphFailed,
              "Expected " + method + " to return tensors but received " + result.tagKind());
}

torch::jit::Method FindMethod(const torch::jit::Module& module, const std::string& name) {
  const auto method = module.find_method(name);
  if (method) return *method;
  throw Error(ErrorCode::kGraphFailed, "Expected the graph to have a method " + name);
}

std::optional<Executor::Results> Interpreter::Run(const MethodCall& call) {
  return Flatten(FindMethod(module_, call.method)(call.inputs), call.method);
}

}  // namespace wuerstchen::runtime
