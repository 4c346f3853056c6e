#include "runtime/acceleration.h"

#include <ATen/ops/tensor.h>
#include <c10/util/ScopeExit.h>

#include <algorithm>
#include <utility>

#include "runtime/block_operators.h"
#include "runtime/graph_edit.h"
#include "runtime/interruption.h"
#include "runtime/kernels/kinds.h"
#include "runtime/private_memory.h"

namespace wuerstchen::runtime {
namespace {

bool StartsWith(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

}  // namespace

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
      context_{kernels, options.packing, {}, {}, nullptr} {
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
      block = blocks::MakeResBlock(context_, module, path, [this, path] { return MapperOf(path); });
    } else if (kind == "TimestepBlock") {
      block = blocks::MakeTimestepBlock(context_, module);
    } else if (kind == "AttentionBlock") {
      block = blocks::MakeAttentionBlock(context_, module, path);
    } else if (kind == "Pointwise") {
      block = blocks::MakePointwiseBlock(context_, module, path);
    } else if (kind == "Linear") {
      block = blocks::MakeLinearBlock(context_, module);
    } else if (kind == "Resample") {
      block = blocks::MakeResampleBlock(context_, module, path);
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

const std::optional<Acceleration::Method>& Acceleration::MethodOf(const std::string& name) {
  const auto known = methods_.find(name);
  if (known != methods_.end()) return known->second;
  auto graph = Rewritten(name);
  std::optional<Method> rewritten;
  if (graph != nullptr) rewritten = Method{graph, torch::jit::Code(graph, name)};
  return methods_.emplace(name, std::move(rewritten)).first->second;
}

std::optional<Executor::Results> Acceleration::Run(const MethodCall& call) {
  if (auto result = RunDecoder(call)) return result;
  const auto& method = MethodOf(call.method);
  if (!method) return std::nullopt;
  context_.copies = CopiesOf(call.sources);
  torch::jit::Stack stack{module_._ivalue()};
  stack.insert(stack.end(), call.inputs.begin(), call.inputs.end());
  try {
    torch::jit::InterpreterState(method->code).run(stack);
  } catch (...) {
    RethrowFromBlock();
  }
  return Flatten(torch::jit::pop(stack), call.method);
}

// Blocks are found as the methods that call them are rewritten.
void Acceleration::FindBlocks() {
  for (const auto& method : module_.get_methods()) MethodOf(method.name());
}

void Acceleration::Pack(blocks::Store& store) {
  FindBlocks();
  auto* const before = std::exchange(context_.store, &store);
  const auto restore = c10::make_scope_exit([&] { context_.store = before; });
  for (const auto& [path, block] : blocks_) {
    if (block == nullptr) continue;
    StopIfHalting();
    block->Forget();
    block->Prepare();
    block->Forget();
    TrimAllocator();  // else it keeps a part of every block
  }
}

void Acceleration::Keep(std::unique_ptr<blocks::Kept> kept, IsAsBefore is_as_before) {
  FindBlocks();
  context_.store = kept.get();
  auto undo = c10::make_scope_exit([this] {
    context_.store = nullptr;
    ForgetAll();
  });
  ForgetAll();
  for (const auto& [path, block] : blocks_) {
    if (block != nullptr) block->Prepare();
  }
  undo.release();
  kept_ = std::move(kept);
  is_as_before_ = std::move(is_as_before);
}

void Acceleration::ForgetAll() {
  for (const auto& [path, block] : blocks_) {
    if (block != nullptr) block->Forget();
  }
}

std::vector<at::Tensor> Acceleration::Kept() const {
  return kept_ == nullptr ? std::vector<at::Tensor>() : kept_->Tensors();
}

std::set<std::string> Acceleration::Replaced() const {
  std::set<std::string> names;
  if (kept_ == nullptr) return names;
  for (const auto& [path, block] : blocks_) {
    if (block == nullptr || kept_->IsChanged(path)) continue;
    for (const auto& name : block->Packed()) names.insert(path + "." + name);
  }
  return names;
}

void Acceleration::Rebound(const std::vector<std::string>& names, const Slots& slots) {
  if (decoder_ != nullptr) decoder_->Forget();
  std::set<std::string> paths;
  for (const auto& name : names) {
    const bool mapper = IsFolded(name.substr(0, name.rfind('.')));
    for (const auto& [path, block] : blocks_) {
      if (block != nullptr && (mapper || StartsWith(name, path + "."))) paths.insert(path);
    }
  }
  for (const auto& path : paths) {
    auto& block = *blocks_.at(path);
    block.Forget();
    if (kept_ == nullptr) continue;
    kept_->SetChanged(path, !IsAsKept(path, slots));
    if (!kept_->IsChanged(path)) block.Prepare();
  }
}

bool Acceleration::IsAsKept(const std::string& path, const Slots& slots) const {
  return std::all_of(slots.begin(), slots.end(), [&](const auto& entry) {
    const auto& name = entry.first;
    const bool reads = StartsWith(name, path + ".") || IsFolded(name.substr(0, name.rfind('.')));
    return !reads || is_as_before_(name);
  });
}

int64_t Acceleration::bytes() const {
  int64_t sum = context_.arena.bytes();
  for (const auto& [path, block] : blocks_) sum += block == nullptr ? 0 : block->packed_bytes();
  if (decoder_ != nullptr) sum += decoder_->packed_bytes();
  return sum;
}

}  // namespace wuerstchen::runtime
