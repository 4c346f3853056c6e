// Where what blocks make of their large weights comes from, and where it goes. Belongs to the
// device's thread.
#ifndef CPP_RUNTIME_BLOCKS_STORE_H_
#define CPP_RUNTIME_BLOCKS_STORE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/blocks/product.h"

namespace wuerstchen::runtime::blocks {

// By the path of its block, a slash, and its own name.
class Store {
 public:
  using Make = std::function<at::Tensor()>;

  virtual ~Store() = default;
  // `make` gives so many bytes of contiguous numbers; it is called by whoever needs them made.
  virtual Held Get(const std::string& name, int64_t bytes, const Make& make) = 0;
};

// What was made once, in a mapped file; but for blocks whose weights are others since.
class Kept final : public Store {
 public:
  explicit Kept(std::map<std::string, at::Tensor> tensors) : tensors_(std::move(tensors)) {}

  // Throws kWeightsFailed for what the file does not have in this size.
  Held Get(const std::string& name, int64_t bytes, const Make& make) override;
  void SetChanged(const std::string& path, bool changed);
  bool IsChanged(const std::string& path) const { return changed_.contains(path); }
  // What is read of the file.
  std::vector<at::Tensor> Tensors() const;

  // How many bytes the file has of so many: whatever follows is aligned, too.
  static int64_t Padded(int64_t bytes);

 private:
  const std::map<std::string, at::Tensor> tensors_;
  std::set<std::string> changed_;  // paths
};

// Makes what one block reads of its weights, or has it from the store; in private memory where
// there is no store.
class Workshop {
 public:
  Workshop(const kernels::Kernels& kernels, Store* store, std::string path)
      : kernels_(kernels), store_(store), path_(std::move(path)) {}

  // A parameter, or some columns of one: packed, or as it lies.
  Matrix Read(const std::string& name, const at::Tensor& weight, Packing packing) const;
  // A packed matrix of (columns, depth) weights, one below the other.
  Matrix Pack(const std::string& name, int64_t columns, int64_t depth, Packing packing,
              const std::function<std::vector<at::Tensor>()>& weights) const;
  // Numbers in float32 that take reading all of a large weight.
  at::Tensor Sums(const std::string& name, int64_t count, const Store::Make& make) const;

 private:
  Held Get(const std::string& name, int64_t bytes, const Store::Make& make) const;

  const kernels::Kernels& kernels_;
  Store* const store_;
  const std::string path_;
};

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_STORE_H_
