// The blocks of a stage in the form that the kernels run: what TorchScript would do in a dozen
// operators, done in a few passes over memory. Each is made of a bound module of the graph and
// gives what that module's `forward` would, within rounding. Belongs to the device's thread.
#ifndef CPP_RUNTIME_BLOCKS_BLOCK_H_
#define CPP_RUNTIME_BLOCKS_BLOCK_H_

#include <ATen/TensorOperators.h>
#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/blocks/store.h"

namespace wuerstchen::runtime::blocks {

// Rows of a batch that are copies of others up to the first block that reads the text: those of
// guidance. They are left out until then.
struct Copies {
  at::Tensor sources;    // (B) int64: of each row of the batch; undefined where none is a copy
  int64_t distinct = 0;  // the first rows of the batch, of which all others are copies

  // `x` without the copies.
  at::Tensor Leave(const at::Tensor& x) const;
  // `x` with them again, for good.
  at::Tensor Restore(const at::Tensor& x);
};

// What all blocks of a graph share.
struct Context {
  const kernels::Kernels& kernels;
  Packing packing;  // of all weights that are large
  Arena arena;
  Copies copies;           // of the batch that is run
  Store* store = nullptr;  // null where all that is packed is private memory

  Workshop WorkshopOf(const std::string& path) const { return {kernels, store, path}; }
};

// What a block's `forward` takes; a block of Stage A and a linear one take `x` alone, a layer of a
// text encoder `x` and `mask`.
struct Inputs {
  at::Tensor x;  // (B, H, W, C) of the kernels' numbers, as all others; of a text (B, T, C)
  at::Tensor modulation;
  std::optional<c10::List<at::Tensor>> condition;
  at::Tensor skip;
  at::Tensor mask;  // (texts, 1, tokens, tokens): whether a token attends to another
};

class Block {
 public:
  virtual ~Block() = default;
  virtual at::Tensor Run(const Inputs& inputs) = 0;
  // What its `condition` makes of a mapped text (B, T, C): all steps read it. Only a block
  // of attention has one.
  virtual at::Tensor Condition(const at::Tensor& text);
  // Makes what is large of what it reads of its weights; else the first call does.
  virtual void Prepare() {}
  // Forgets that: the weights changed.
  virtual void Forget() = 0;
  // Names of its parameters of which it reads but what it packed.
  virtual std::vector<std::string> Packed() const { return {}; }
  virtual int64_t packed_bytes() const = 0;
};

// A mapper of Stage B's image embeddings, to be folded into what reads them: `(out, in)` and
// `(out)`.
struct ImageMapper {
  at::Tensor weight;
  at::Tensor bias;
};
using FindMapper = std::function<std::optional<ImageMapper>()>;

// Null for a module whose widths the kernels do not take.
std::unique_ptr<Block> MakeResBlock(Context& context, torch::jit::Module module,
                                    const std::string& path, FindMapper find_mapper);
std::unique_ptr<Block> MakeTimestepBlock(Context& context, torch::jit::Module module);
std::unique_ptr<Block> MakeAttentionBlock(Context& context, torch::jit::Module module,
                                          const std::string& path);
std::unique_ptr<Block> MakePointwiseBlock(Context& context, torch::jit::Module module,
                                          const std::string& path);
std::unique_ptr<Block> MakeLinearBlock(Context& context, torch::jit::Module module);
std::unique_ptr<Block> MakeResampleBlock(Context& context, torch::jit::Module module,
                                         const std::string& path);
std::unique_ptr<Block> MakeMixingBlock(Context& context, torch::jit::Module module);
std::unique_ptr<Block> MakeTextLayer(Context& context, torch::jit::Module module);

// The module's parameter or buffer of this name, such as `channelwise.0.weight`.
at::Tensor Parameter(const torch::jit::Module& module, const std::string& name);
// The same in float32 and contiguous.
at::Tensor Wide(const torch::jit::Module& module, const std::string& name);

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_BLOCK_H_
