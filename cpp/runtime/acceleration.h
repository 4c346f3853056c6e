// Runs a graph's hot methods with the blocks of `blocks/` in place of its own. The graph stays what
// it is: the wiring, and the reference that every block is compared with. Belongs to the device's
// thread.
#ifndef CPP_RUNTIME_ACCELERATION_H_
#define CPP_RUNTIME_ACCELERATION_H_

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/blocks/block.h"
#include "runtime/blocks/picture_decoder.h"
#include "runtime/executor.h"
#include "runtime/runtime.h"

namespace wuerstchen::runtime {

class Acceleration final : public Executor {
 public:
  // Whether the weight of a name is what it was before.
  using IsAsBefore = std::function<bool(const std::string& name)>;

  // Null where there are no kernels for this CPU or for what the module computes in.
  static std::unique_ptr<Acceleration> Of(const torch::jit::Module& module, at::ScalarType dtype,
                                          const KernelOptions& options, const BlockFacts& facts);

  // Nothing for a method in which no block could be replaced.
  std::optional<Results> Run(const MethodCall& call) override;
  void Rebound(const std::vector<std::string>& names, const Slots& slots) override;
  bool Paints() const override { return decoder_ != nullptr; }
  // Makes all that its blocks read of their large weights, one after the other, for a store that
  // takes it. Those of Stage A make too little to be worth it.
  void Pack(blocks::Store& store);
  // From now on blocks read what was made before, as long as all their weights are as then. Throws
  // kWeightsFailed where something is missing: then all is made of the weights.
  void Keep(std::unique_ptr<blocks::Kept> kept, IsAsBefore is_as_before);
  // What is read of that, and the names of weights that nobody reads in its stead.
  std::vector<at::Tensor> Kept() const;
  std::set<std::string> Replaced() const;
  // Gives scratch memory back until the next run.
  void Rest() override { context_.arena.Clear(); }
  // Of packed weights and between blocks.
  int64_t bytes() const override;

 private:
  struct Method {
    std::shared_ptr<torch::jit::Graph> graph;
    torch::jit::Code code;
  };
  class Rewriter;

  Acceleration(const torch::jit::Module& module, const kernels::Kernels& kernels,
               const KernelOptions& options, const BlockFacts& facts);
  // A copy of a method's graph that calls blocks, all other calls inlined. Null if there was
  // nothing to replace.
  std::shared_ptr<torch::jit::Graph> Rewritten(const std::string& method);
  bool Uses(const std::string& name) const;
  const std::optional<Method>& MethodOf(const std::string& name);
  std::optional<Results> RunDecoder(const MethodCall& call);
  void FindBlocks();
  void ForgetAll();
  // Whether a block's weights are those that what was kept of it was made of.
  bool IsAsKept(const std::string& path, const Slots& slots) const;
  // Whether a path is that of a mapper which is folded into the blocks.
  bool IsFolded(const std::string& path) const;
  bool AllResBlocksFit();
  bool SharesCopies() const;
  blocks::Copies CopiesOf(const std::vector<int64_t>& sources) const;
  std::optional<blocks::ImageMapper> MapperOf(const std::string& block_path) const;
  blocks::Block* BlockOf(const torch::jit::Module& module, const std::string& kind,
                         const std::string& path);

  const torch::jit::Module module_;
  const KernelOptions options_;
  const BlockFacts facts_;
  bool collapses_ = false;  // image embeddings reach the blocks unmapped
  blocks::Context context_;
  std::unique_ptr<blocks::Kept> kept_;  // null where nothing was kept
  IsAsBefore is_as_before_;
  std::map<std::string, std::optional<Method>> methods_;          // by name, once wanted
  std::map<std::string, std::unique_ptr<blocks::Block>> blocks_;  // by path; null where none fits
  std::unique_ptr<blocks::PictureDecoder> decoder_;  // null where there is none, or none fits
};

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_ACCELERATION_H_
