// What is done to the code of a graph when it is loaded.
#ifndef CPP_RUNTIME_GRAPH_EDIT_H_
#define CPP_RUNTIME_GRAPH_EDIT_H_

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <functional>

namespace wuerstchen::runtime {

// Puts `after` behind every place where a module reads one of its tensors that is `wanted`: all
// that used the tensor uses what it returns.
void AfterReads(
    const torch::jit::Module& module, const std::function<bool(const at::Tensor&)>& wanted,
    const std::function<torch::jit::Value*(torch::jit::Graph&, torch::jit::Value*)>& after);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_GRAPH_EDIT_H_
