// How `Acceleration` puts blocks in the place of a graph's own.
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/inliner.h>

#include "runtime/acceleration.h"
#include "runtime/block_operators.h"
#include "runtime/graph_edit.h"

namespace wuerstchen::runtime {
namespace {

using JitGraph = torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// "down_blocks.1.3" for a value that was read from the method's own module step by step.
std::string PathOf(const Value* value) {
  const auto* node = value->node();
  if (node->kind() != c10::prim::GetAttr) return "";
  const auto parent = PathOf(node->input());
  const auto& name = node->s(c10::attr::name);
  return parent.empty() ? name : parent + "." + name;
}

}  // namespace

// Replaces calls of blocks in a copy of one method's graph, and inlines all other calls.
class Acceleration::Rewriter {
 public:
  Rewriter(Acceleration& owner, const std::string& method)
      : owner_(owner), graph_(owner.module_.get_method(method).graph()->copy()) {}

  // Null if there was nothing to replace.
  std::shared_ptr<JitGraph> Rewrite() {
    while (RewriteOne(*graph_->block())) {
    }
    if (replaced_ == 0) return nullptr;
    torch::jit::Inline(*graph_);
    torch::jit::EliminateDeadCode(graph_);
    return graph_;
  }

 private:
  // Handles the first call that is left. False if there is none.
  bool RewriteOne(torch::jit::Block& block) {
    for (auto* node : block.nodes()) {
      for (auto* inner : node->blocks()) {
        if (RewriteOne(*inner)) return true;
      }
      if (node->kind() != c10::prim::CallMethod) continue;
      const auto type = node->input(0)->type()->cast<c10::ClassType>();
      if (!type) continue;
      if (!Replace(node, type->name()->name())) Inline(node, *type);
      return true;
    }
    return false;
  }

  bool Replace(Node* call, const std::string& kind) {
    const auto path = PathOf(call->input(0));
    if (call->s(c10::attr::name) == "condition") return ReplaceCondition(call, kind, path);
    if (call->s(c10::attr::name) != "forward") return false;
    if (kind == "Pointwise" && ReplaceMapper(call, path)) return true;
    auto* block = owner_.BlockOf(ModuleAt(owner_.module_, path), kind, path);
    if (block == nullptr) return false;
    return SwapFor(*block, call, BlockOperator(call->inputs().size() - 1), c10::TensorType::get());
  }

  // What a block of attention makes of the text, ahead of all steps.
  bool ReplaceCondition(Node* call, const std::string& kind, const std::string& path) {
    if (kind != "AttentionBlock" || !owner_.Uses("condition")) return false;
    auto* block = owner_.BlockOf(ModuleAt(owner_.module_, path), kind, path);
    return block != nullptr &&
           SwapFor(*block, call, ConditionOperator(), c10::ListType::ofTensors());
  }

  // The operator takes what the call took, and the block in the module's place.
  bool SwapFor(const blocks::Block& block, Node* call, c10::Symbol symbol,
               const c10::TypePtr& type) {
    const torch::jit::WithInsertPoint before(call);
    std::vector<Value*> inputs = call->inputs().slice(1).vec();
    inputs.push_back(graph_->insertConstant(reinterpret_cast<int64_t>(&block)));
    return Swap(call, graph_->insertNode(graph_->create(symbol, inputs, 1)), type);
  }

  // The mappers of image embeddings are folded into the blocks that read them, which want the
  // embeddings themselves.
  bool ReplaceMapper(Node* call, const std::string& path) {
    if (!owner_.IsFolded(path)) return false;
    const torch::jit::WithInsertPoint before(call);
    auto* format = graph_->insertConstant(static_cast<int64_t>(at::MemoryFormat::Contiguous));
    return Swap(
        call,
        graph_->insertNode(graph_->create(c10::aten::contiguous, {call->input(1), format}, 1)),
        c10::TensorType::get());
  }

  bool Swap(Node* call, Node* node, const c10::TypePtr& type) {
    node->output()->setType(type);
    call->output()->replaceAllUsesWith(node->output());
    call->destroy();
    ++replaced_;
    return true;
  }

  void Inline(Node* call, const c10::ClassType& type) {
    auto& method = type.getMethod(call->s(c10::attr::name));
    method.ensure_defined();
    torch::jit::inlineCallTo(call, &torch::jit::toGraphFunction(method));
  }

  Acceleration& owner_;
  const std::shared_ptr<JitGraph> graph_;
  int replaced_ = 0;
};

std::shared_ptr<JitGraph> Acceleration::Rewritten(const std::string& method) {
  return Rewriter(*this, method).Rewrite();
}

}  // namespace wuerstchen::runtime
