// What is found in a graph's modules, and done to their code.
#ifndef CPP_RUNTIME_GRAPH_EDIT_H_
#define CPP_RUNTIME_GRAPH_EDIT_H_

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <string>

namespace wuerstchen::runtime {

// The module at a path such as "down_blocks.1.3".
torch::jit::Module ModuleAt(const torch::jit::Module& root, const std::string& path);

// Puts `after` behind every place where a module reads one of its tensors that is `wanted`: all
// that used the tensor uses what it returns.
void AfterReads(
    const torch::jit::Module& module, const std::function<bool(const at::Tensor&)>& wanted,
    const std::function<torch::jit::Value*(torch::jit::Graph&, torch::jit::Value*)>& after);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_GRAPH_EDIT_H_
