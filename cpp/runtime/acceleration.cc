#include "runtime/acceleration.h"

#include <ATen/ops/tensor.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include <algorithm>

#include "runtime/kernels/kinds.h"

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

void RunStageBlock(Stack& stack) {
  auto& block = BlockAt(torch::jit::pop(stack));
  blocks::Inputs inputs;
  inputs.skip = torch::jit::pop(stack).toTensor();
  inputs.condition = torch::jit::pop(stack).toTensorList();
  inputs.modulation = torch::jit::pop(stack).toTensor();
  inputs.x = torch::jit::pop(stack).toTensor();
  torch::jit::push(stack, block.Run(inputs));
}

void RunMapBlock(Stack& stack) {
  auto& block = BlockAt(torch::jit::pop(stack));
  blocks::Inputs inputs;
  inputs.x = torch::jit::pop(stack).toTensor();
  torch::jit::push(stack, block.Run(inputs));
}

const auto kStageBlock = c10::Symbol::fromQualString("wuerstchen::stage_block");
const auto kMapBlock = c10::Symbol::fromQualString("wuerstchen::map_block");

const torch::jit::RegisterOperators kOperators({
    torch::jit::Operator("wuerstchen::stage_block(Tensor x, Tensor modulation, Tensor[] condition, "
                         "Tensor skip, int block) -> Tensor",
                         RunStageBlock, c10::AliasAnalysisKind::CONSERVATIVE),
    torch::jit::Operator("wuerstchen::map_block(Tensor x, int block) -> Tensor", RunMapBlock,
                         c10::AliasAnalysisKind::CONSERVATIVE),
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

// Where the image embeddings' mapper of a block of Stage B is: one for each level and direction.
std::string MapperPath(const std::string& block_path, int64_t levels) {
  const bool down = StartsWith(block_path, "down_blocks.");
  if (!down && !StartsWith(block_path, "up_blocks.")) return "";
  const auto start = block_path.find('.') + 1;
  const int64_t place = std::stoll(block_path.substr(start));
  return "effnet_mappers." + std::to_string(down ? place : levels + place);
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
    if (call->s(c10::attr::name) != "forward") return false;
    const auto path = PathOf(call->input(0));
    if (kind == "Pointwise" && ReplaceMapper(call, path)) return true;
    auto* block = owner_.BlockOf(ModuleAt(owner_.module_, path), kind, path);
    if (block == nullptr) return false;
    const torch::jit::WithInsertPoint before(call);
    std::vector<Value*> inputs = call->inputs().slice(1).vec();
    inputs.push_back(graph_->insertConstant(reinterpret_cast<int64_t>(block)));
    auto* node =
        graph_->insertNode(graph_->create(inputs.size() == 2 ? kMapBlock : kStageBlock, inputs, 1));
    return Swap(call, node);
  }

  // The mappers of image embeddings are folded into the blocks that read them, which want the
  // embeddings themselves.
  bool ReplaceMapper(Node* call, const std::string& path) {
    if (!StartsWith(path, "effnet_mappers.") || !owner_.Collapses()) return false;
    const torch::jit::WithInsertPoint before(call);
    auto* format = graph_->insertConstant(static_cast<int64_t>(at::MemoryFormat::Contiguous));
    return Swap(call, graph_->insertNode(
                          graph_->create(c10::aten::contiguous, {call->input(1), format}, 1)));
  }

  bool Swap(Node* call, Node* node) {
    node->output()->setType(c10::TensorType::get());
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
                                               at::ScalarType dtype, const KernelOptions& options) {
  if (dtype != at::kFloat && dtype != at::kBFloat16) return nullptr;
  const auto number = dtype == at::kFloat ? kernels::Number::kFloat32 : kernels::Number::kBFloat16;
  const auto* kernels = kernels::Find(options.kind, number);
  if (kernels == nullptr) return nullptr;
  return std::unique_ptr<Acceleration>(new Acceleration(module, *kernels, options));
}

Acceleration::Acceleration(const torch::jit::Module& module, const kernels::Kernels& kernels,
                           const KernelOptions& options)
    : module_(module), options_(options), context_{kernels, options.packing, {}, {}} {
  collapses_ = Uses("collapse") && module.hasattr("effnet_mappers") && AllResBlocksFit();
  if (Uses("strips") && Uses("MixingBlock"))
    decoder_ = blocks::PictureDecoder::Of(context_, module_);
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
    }
  }
  return blocks_.emplace(path, std::move(block)).first->second.get();
}

std::optional<blocks::ImageMapper> Acceleration::MapperOf(const std::string& block_path) const {
  if (!collapses_) return std::nullopt;
  const auto path = MapperPath(block_path, module_.attr("levels").toInt());
  const auto mapper = ModuleAt(module_, path);
  if (mapper.type()->name()->name() != "Pointwise") return std::nullopt;
  return blocks::ImageMapper{blocks::Wide(mapper, "weight").flatten(1),
                             blocks::Wide(mapper, "bias")};
}

// Stage C: one row of blocks, of which the first to read the text is the first attention. In Stage
// B the image embeddings come earlier, and its levels are joined.
bool Acceleration::SharesCopies() const {
  if (!Uses("copies") || !module_.hasattr("blocks")) return false;
  const auto attention = blocks_.find("blocks.2");
  return attention != blocks_.end() && attention->second != nullptr &&
         blocks_.at("blocks.0") != nullptr && blocks_.at("blocks.1") != nullptr;
}

blocks::Copies Acceleration::CopiesOf(const std::vector<int64_t>& sources) const {
  if (sources.empty() || !SharesCopies()) return {};
  const int64_t distinct = 1 + *std::max_element(sources.begin(), sources.end());
  return {at::tensor(sources, at::kLong), distinct};
}

std::optional<c10::IValue> Acceleration::RunDecoder(const std::string& method,
                                                    const std::vector<c10::IValue>& inputs) {
  if (decoder_ == nullptr) return std::nullopt;
  if (method == kPaint) return decoder_->Paint(inputs.at(0).toTensor());
  if (method == "decode") return decoder_->Decode(inputs.at(0).toTensor());
  return std::nullopt;
}

std::optional<c10::IValue> Acceleration::Run(const std::string& method,
                                             const std::vector<c10::IValue>& inputs,
                                             const std::vector<int64_t>& sources) {
  if (auto result = RunDecoder(method, inputs)) return result;
  auto known = methods_.find(method);
  if (known == methods_.end()) {
    auto graph = Rewriter(*this, method).Rewrite();
    std::optional<Method> rewritten;
    if (graph != nullptr) rewritten = Method{graph, torch::jit::Code(graph, method)};
    known = methods_.emplace(method, std::move(rewritten)).first;
  }
  if (!known->second) return std::nullopt;
  context_.copies = CopiesOf(sources);
  Stack stack{module_._ivalue()};
  stack.insert(stack.end(), inputs.begin(), inputs.end());
  torch::jit::InterpreterState(known->second->code).run(stack);
  return torch::jit::pop(stack);
}

void Acceleration::Forget(const std::vector<std::string>& names) {
  if (decoder_ != nullptr) decoder_->Forget();
  for (const auto& name : names) {
    const bool mapper = StartsWith(name, "effnet_mappers.");
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
