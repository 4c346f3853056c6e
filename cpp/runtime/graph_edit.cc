#include "runtime/graph_edit.h"

#include <algorithm>
#include <set>

namespace wuerstchen::runtime {
namespace {

using Wanted = std::function<bool(const at::Tensor&)>;
using After = std::function<torch::jit::Value*(torch::jit::Graph&, torch::jit::Value*)>;

// What an attribute of the graph's module, or of a module in it, holds now.
c10::IValue Resolve(const torch::jit::Module& module, const torch::jit::Value* value) {
  const auto* node = value->node();
  if (node->kind() != c10::prim::GetAttr) return module._ivalue();
  return Resolve(module, node->input()).toObject()->getAttr(node->s(c10::attr::name));
}

void AfterReads(const torch::jit::Module& module, torch::jit::Block& block, const Wanted& wanted,
                const After& after) {
  for (auto* node : block.nodes()) {
    for (auto* inner : node->blocks()) AfterReads(module, *inner, wanted, after);
    if (node->kind() != c10::prim::GetAttr) continue;
    const auto held = Resolve(module, node->output());
    if (!held.isTensor() || !wanted(held.toTensor())) continue;
    auto& graph = *block.owningGraph();
    const torch::jit::WithInsertPoint behind(node->next());
    auto* weight = graph.insert(c10::prim::unchecked_unwrap_optional, {node->output()});
    auto* result = after(graph, weight);
    node->output()->replaceAllUsesAfterNodeWith(result->node(), result);
  }
}

}  // namespace

torch::jit::Module ModuleAt(const torch::jit::Module& root, const std::string& path) {
  auto module = root;
  for (size_t start = 0; start < path.size();) {
    const auto end = std::min(path.find('.', start), path.size());
    module = module.attr(path.substr(start, end - start)).toModule();
    start = end + 1;
  }
  return module;
}

void AfterReads(const torch::jit::Module& module, const Wanted& wanted, const After& after) {
  std::set<const torch::jit::Graph*> seen;  // modules of one class share their methods
  for (const auto& part : module.modules()) {
    for (const auto& method : part.get_methods()) {
      method.function().ensure_defined();  // methods are compiled when they are first wanted
      const auto graph = method.graph();
      if (seen.insert(graph.get()).second) AfterReads(part, *graph->block(), wanted, after);
    }
  }
}

}  // namespace wuerstchen::runtime
