// Runs a graph's hot methods with the blocks of `blocks/` in place of its own. The graph stays what
// it is: the wiring, and the reference that every block is compared with. Belongs to the device's
// thread.
#ifndef CPP_RUNTIME_ACCELERATION_H_
#define CPP_RUNTIME_ACCELERATION_H_

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/blocks/block.h"
#include "runtime/blocks/picture_decoder.h"
#include "runtime/runtime.h"

namespace wuerstchen::runtime {

// What Stage A's decoder does where it runs in strips.
constexpr char kPaint[] = "paint";

class Acceleration {
 public:
  // Null where there are no kernels for this CPU or for what the module computes in.
  static std::unique_ptr<Acceleration> Of(const torch::jit::Module& module, at::ScalarType dtype,
                                          const KernelOptions& options);

  // Runs a method, or returns nothing if nothing in it could be replaced. `sources`: the row that
  // each row of the batch equals in everything but its condition, the first `distinct` ones
  // themselves; empty where all differ.
  std::optional<c10::IValue> Run(const std::string& method, const std::vector<c10::IValue>& inputs,
                                 const std::vector<int64_t>& sources);
  // Whether it has `kPaint`: Stage A's latents -> bytes, a method that the graph has not.
  bool Paints() const { return decoder_ != nullptr; }
  // The weights of these names changed.
  void Forget(const std::vector<std::string>& names);
  // Gives scratch memory back until the next run.
  void Rest() { context_.arena.Clear(); }
  // Private memory for packed weights and between blocks.
  int64_t bytes() const;

 private:
  struct Method {
    std::shared_ptr<torch::jit::Graph> graph;
    torch::jit::Code code;
  };
  class Rewriter;

  Acceleration(const torch::jit::Module& module, const kernels::Kernels& kernels,
               const KernelOptions& options);
  bool Uses(const std::string& name) const;
  std::optional<c10::IValue> RunDecoder(const std::string& method,
                                        const std::vector<c10::IValue>& inputs);
  bool Collapses() const { return collapses_; }
  bool AllResBlocksFit();
  bool SharesCopies() const;
  blocks::Copies CopiesOf(const std::vector<int64_t>& sources) const;
  std::optional<blocks::ImageMapper> MapperOf(const std::string& block_path) const;
  blocks::Block* BlockOf(const torch::jit::Module& module, const std::string& kind,
                         const std::string& path);

  const torch::jit::Module module_;
  const KernelOptions options_;
  bool collapses_ = false;  // Stage B's image embeddings reach its blocks unmapped
  blocks::Context context_;
  std::map<std::string, std::optional<Method>> methods_;          // by name, once wanted
  std::map<std::string, std::unique_ptr<blocks::Block>> blocks_;  // by path; null where none fits
  std::unique_ptr<blocks::PictureDecoder> decoder_;  // null where there is none, or none fits
};

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_ACCELERATION_H_
