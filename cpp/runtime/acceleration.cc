#include "runtime/acceleration.h"

#include <ATen/ops/tensor.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "runtime/interruption.h"
#include "runtime/kernels/kinds.h"
#include "runtime/operators.h"

namespace wuerstchen::runtime {
namespace {

using JitGraph = torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Stack;
using torch::jit::Value;

// Blocks are named by their address: a rewritten graph lives no longer than they do, and is never
// written to a file.
blocks::Block& BlockAt(const c10::IValue& address) {
  return *reinterpret_cast<blocks::Block*>(address.toInt());
}

// What a block threw: the interpreter passes nothing on but its text.
thread_local std::exception_ptr thrown;

template <typename Work>
at::Tensor Guarded(const Work& work) {
  try {
    StopIfHalting();
    return work();
  } catch (...) {
    thrown = std::current_exception();
    throw;
  }
}

at::Tensor RunBlock(blocks::Block& block, const blocks::Inputs& inputs) {
  return Guarded([&] { return block.Run(inputs); });
}

void RunStageBlock(Stack& stack) {
  auto& block = BlockAt(torch::jit::pop(stack));
  blocks::Inputs inputs;
  inputs.skip = torch::jit::pop(stack).toTensor();
  inputs.condition = torch::jit::pop(stack).toTensorList();
  inputs.modulation = torch::jit::pop(stack).toTensor();
  inputs.x = torch::jit::pop(stack).toTensor();
  torch::jit::push(stack, RunBlock(block, inputs));
}

void RunMapBlock(Stack& stack) {
  auto& block = BlockAt(torch::jit::pop(stack));
  blocks::Inputs inputs;
  inputs.x = torch::jit::pop(stack).toTensor();
  torch::jit::push(stack, RunBlock(block, inputs));
}

void RunTextLayer(Stack& stack) {
  auto& block = BlockAt(torch::jit::pop(stack));
  blocks::Inputs inputs;
  inputs.mask = torch::jit::pop(stack).toTensor();
  inputs.x = torch::jit::pop(stack).toTensor();
  torch::jit::push(stack, RunBlock(block, inputs));
}

void RunCondition(Stack& stack) {
  auto& block = BlockAt(torch::jit::pop(stack));
  const auto text = torch::jit::pop(stack).toTensor();
  const auto entry = Guarded([&] { return block.Condition(text); });
  torch::jit::push(stack, c10::List<at::Tensor>({entry}));
}

const auto kStageBlock = OperatorOfThisCopy("stage_block");
const auto kMapBlock = OperatorOfThisCopy("map_block");
const auto kTextLayer = OperatorOfThisCopy("text_layer");
const auto kCondition = OperatorOfThisCopy("condition");

// By what a block takes beside its address.
c10::Symbol OperatorOf(size_t inputs) {
  return inputs == 1 ? kMapBlock : inputs == 2 ? kTextLayer : kStageBlock;
}

const torch::jit::RegisterOperators kRegistered({
    torch::jit::Operator(
        std::string(kStageBlock.toQualString()) +
            "(Tensor x, Tensor modulation, Tensor[] condition, Tensor skip, int block) -> Tensor",
        RunStageBlock, c10::AliasAnalysisKind::CONSERVATIVE),
    torch::jit::Operator(std::string(kMapBlock.toQualString()) + "(Tensor x, int block) -> Tensor",
                         RunMapBlock, c10::AliasAnalysisKind::CONSERVATIVE),
    torch::jit::Operator(std::string(kTextLayer.toQualString()) +
                             "(Tensor x, Tensor mask, int block) -> Tensor",
                         RunTextLayer, c10::AliasAnalysisKind::CONSERVATIVE),
    torch::jit::Operator(std::string(kCondition.toQualString()) +
                             "(Tensor text, int block) -> Tensor[]",
                         RunCondition, c10::AliasAnalysisKind::CONSERVATIVE),
});

// "down_blocks.1.3" for a value that was read from the method's own module step by step.
std::string PathOf(const Value* value) {
  const auto* node = value->node();
  if (node->kind() != c10::prim::GetAttr) return "";
  const auto parent = PathOf(node->input());
  const auto& name = node->s(c10::attr::name);
  return parent.empty() ? name : parent + "." + name;
}

torch::jit::Module ModuleAt(const torch::jit::Module& root, const std::string& path) {
  auto module = root;
  for (size_t start = 0; start < path.size();) {
    const auto end = std::min(path.find('.', start), path.size());
    module = module.attr(path.substr(start, end - start)).toModule();
    start = end + 1;
  }
  return module;
}

bool StartsWith(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
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
    return SwapFor(*block, call, OperatorOf(call->inputs().size() - 1), c10::TensorType::get());
  }

  // What a block of attention makes of the text, ahead of all steps.
  bool ReplaceCondition(Node* call, const std::string& kind, const std::string& path) {
    if (kind != "AttentionBlock" || !owner_.Uses("condition")) return false;
    auto* block = owner_.BlockOf(ModuleAt(owner_.module_, path), kind, path);
    return block != nullptr && SwapFor(*block, call, kCondition, c10::ListType::ofTensors());
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

std::unique_ptr<Acceleration> Acceleration::Of(const torch::jit::Module& module,
                                               at::ScalarType dtype, const KernelOptions& options,
                                               const BlockFacts& facts) {
  if (dtype != at::kFloat && dtype != at::kBFloat16) return nullptr;
  const auto number = dtype == at::kFloat ? kernels::Number::kFloat32 : kernels::Number::kBFloat16;
  const auto* kernels = kernels::Find(options.kind, number);
  if (kernels == nullptr) return nullptr;
  return std::unique_ptr<Acceleration>(new Acceleration(module, *kernels, options, facts));
}

Acceleration::Acceleration(const torch::jit::Module& module, const kernels::Kernels& kernels,
                           const KernelOptions& options, const BlockFacts& facts)
    : module_(module),
      options_(options),
      facts_(facts),
      context_{kernels, options.packing, {}, {}} {
  collapses_ = Uses("collapse") && !facts.mappers.empty() && AllResBlocksFit();
  if (Uses("strips") && Uses("MixingBlock"))
    decoder_ = blocks::PictureDecoder::Of(context_, module_);
}

bool Acceleration::IsFolded(const std::string& path) const {
  return collapses_ && std::any_of(facts_.mappers.begin(), facts_.mappers.end(),
                                   [&path](const auto& level) { return level.second == path; });
}

bool Acceleration::Uses(const std::string& name) const {
  return std::find(options_.without.begin(), options_.without.end(), name) ==
         options_.without.end();
}

// Either every block reads the embeddings themselves, or none does.
bool Acceleration::AllResBlocksFit() {
  for (const auto& part : module_.named_modules()) {
    if (part.value.type()->name()->name() != "ResBlock") continue;
    if (BlockOf(part.value, "ResBlock", part.name) == nullptr) return false;
  }
  return true;
}

blocks::Block* Acceleration::BlockOf(const torch::jit::Module& module, const std::string& kind,
                                     const std::string& path) {
  const auto known = blocks_.find(path);
  if (known != blocks_.end()) return known->second.get();
  std::unique_ptr<blocks::Block> block;
  if (Uses(kind)) {
    if (kind == "ResBlock") {
      block = blocks::MakeResBlock(context_, module, [this, path] { return MapperOf(path); });
    } else if (kind == "TimestepBlock") {
      block = blocks::MakeTimestepBlock(context_, module);
    } else if (kind == "AttentionBlock") {
      block = blocks::MakeAttentionBlock(context_, module);
    } else if (kind == "Pointwise") {
      block = blocks::MakePointwiseBlock(context_, module);
    } else if (kind == "MixingBlock") {
      block = blocks::MakeMixingBlock(context_, module);
    } else if (kind == "Layer") {
      block = blocks::MakeTextLayer(context_, module);
    }
  }
  return blocks_.emplace(path, std::move(block)).first->second.get();
}

std::optional<blocks::ImageMapper> Acceleration::MapperOf(const std::string& block_path) const {
  if (!collapses_) return std::nullopt;
  for (const auto& [level, path] : facts_.mappers) {
    if (!StartsWith(block_path, level + ".")) continue;
    const auto mapper = ModuleAt(module_, path);
    return blocks::ImageMapper{blocks::Wide(mapper, "weight").flatten(1),
                               blocks::Wide(mapper, "bias")};
  }
  return std::nullopt;
}

bool Acceleration::SharesCopies() const {
  const auto& paths = facts_.before_text;
  return Uses("copies") && !paths.empty() &&
         std::all_of(paths.begin(), paths.end(), [this](const std::string& path) {
           const auto block = blocks_.find(path);
           return block != blocks_.end() && block->second != nullptr;
         });
}

blocks::Copies Acceleration::CopiesOf(const std::vector<int64_t>& sources) const {
  if (sources.empty() || !SharesCopies()) return {};
  const int64_t distinct = 1 + *std::max_element(sources.begin(), sources.end());
  return {at::tensor(sources, at::kLong), distinct};
}

std::optional<Executor::Results> Acceleration::RunDecoder(const MethodCall& call) {
  if (decoder_ == nullptr) return std::nullopt;
  if (call.method == kPaint) return Results{decoder_->Paint(call.inputs.at(0).toTensor())};
  if (call.method == "decode") return Results{decoder_->Decode(call.inputs.at(0).toTensor())};
  return std::nullopt;
}

std::optional<Executor::Results> Acceleration::Run(const MethodCall& call) {
  if (auto result = RunDecoder(call)) return result;
  const auto& method = call.method;
  auto known = methods_.find(method);
  if (known == methods_.end()) {
    auto graph = Rewriter(*this, method).Rewrite();
    std::optional<Method> rewritten;
    if (graph != nullptr) rewritten = Method{graph, torch::jit::Code(graph, method)};
    known = methods_.emplace(method, std::move(rewritten)).first;
  }
  if (!known->second) return std::nullopt;
  context_.copies = CopiesOf(call.sources);
  Stack stack{module_._ivalue()};
  stack.insert(stack.end(), call.inputs.begin(), call.inputs.end());
  try {
    torch::jit::InterpreterState(known->second->code).run(stack);
  } catch (...) {
    if (thrown != nullptr) std::rethrow_exception(std::exchange(thrown, nullptr));
    throw;
  }
  return Flatten(torch::jit::pop(stack), method);
}

void Acceleration::Rebound(const std::vector<std::string>& names, const Slots&) {
  if (decoder_ != nullptr) decoder_->Forget();
  for (const auto& name : names) {
    const bool mapper = IsFolded(name.substr(0, name.rfind('.')));
    for (const auto& [path, block] : blocks_) {
      if (block != nullptr && (mapper || StartsWith(name, path + "."))) block->Forget();
    }
  }
}

int64_t Acceleration::bytes() const {
  int64_t sum = context_.arena.bytes();
  for (const auto& [path, block] : blocks_) sum += block == nullptr ? 0 : block->packed_bytes();
  if (decoder_ != nullptr) sum += decoder_->packed_bytes();
  return sum;
}

}  // namespace wuerstchen::runtime
