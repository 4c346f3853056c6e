// Remembers one concatenation, so that a batch whose rows stay pays for it once and not every step.
// Belongs to the device's thread. It never keeps a row's memory alive: see `Trim`.
#ifndef CPP_RUNTIME_BATCH_MEMO_H_
#define CPP_RUNTIME_BATCH_MEMO_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "runtime/runtime.h"

namespace wuerstchen::runtime {

class BatchMemo {
 public:
  using Entries = std::vector<TensorPtr>;
  using Rows = std::vector<std::reference_wrapper<const Entries>>;

  // Entry i of the result is entry i of every row, one after the other. Valid until the next call.
  const std::vector<at::Tensor>& Concatenate(const Rows& rows);

  // Forgets the concatenation when one of its rows is gone.
  void Trim();

 private:
  bool Remembers(const Rows& rows) const;

  std::vector<std::weak_ptr<Tensor>> keys_;  // of all rows' entries, in order
  std::vector<at::Tensor> values_;
};

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_BATCH_MEMO_H_
