// Weights as products read them: packed, or as they lie. Belongs to the device's thread.
#ifndef CPP_RUNTIME_BLOCKS_MATRIX_H_
#define CPP_RUNTIME_BLOCKS_MATRIX_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "runtime/kernels/kernels.h"
#include "runtime/runtime.h"

namespace wuerstchen::runtime::blocks {

// The type of tensors whose numbers are the kernels'.
at::ScalarType TypeOf(const kernels::Kernels& kernels);

// Numbers that stay: in private memory, or in a mapped file.
struct Held {
  at::Tensor numbers;
  bool mapped;
};

// The right side of a product: one or more (columns, depth) weights, one below the other.
class Matrix {
 public:
  Matrix() = default;
  // Not packed, they are read as they lie, and only one may be given. Columns of every weight must
  // be whole panels (`Fits`), its depth without gaps.
  Matrix(const kernels::Kernels& kernels, const std::vector<at::Tensor>& weights, Packing packing);

  // What such a one packed of (columns, depth) before: `BytesOf`, and perhaps some behind them.
  Matrix(const kernels::Kernels& kernels, Packing packing, int64_t columns, int64_t depth,
         Held packed);

  static bool Fits(const kernels::Kernels& kernels, const at::Tensor& weight);
  static int64_t BytesOf(const kernels::Kernels& kernels, Packing packing, int64_t columns,
                         int64_t depth);

  // It is about to be read: pages of the file that it lies in are wanted.
  void Touch() const;

  kernels::Weight weight() const { return weight_; }
  int64_t columns() const { return columns_; }
  int64_t depth() const { return depth_; }
  // Of private memory; 0 for one that lies in a file.
  int64_t packed_bytes() const;
  at::Tensor numbers() const { return held_.numbers; }
  bool packed() const;

 private:
  Held held_{{}, false};
  kernels::Weight weight_{nullptr, kernels::Format::kPacked, 0};
  int64_t columns_ = 0;
  int64_t depth_ = 0;
};

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_MATRIX_H_
