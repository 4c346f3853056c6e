#include "runtime/batch_memo.h"

#include <ATen/ops/cat.h>

#include <algorithm>

#include "runtime/tensor.h"

namespace wuerstchen::runtime {

const std::vector<at::Tensor>& BatchMemo::Concatenate(const Rows& rows) {
  if (Remembers(rows)) return values_;
  keys_.clear();
  values_.clear();
  for (size_t entry = 0; entry < rows.front().get().size(); ++entry) {
    std::vector<at::Tensor> parts;
    for (const Entries& row : rows) parts.push_back(Value(*row[entry]));
    values_.push_back(parts.size() == 1 ? parts.front() : at::cat(parts));
  }
  for (const Entries& row : rows) keys_.insert(keys_.end(), row.begin(), row.end());
  return values_;
}

void BatchMemo::Trim() {
  const auto gone = [](const std::weak_ptr<Tensor>& key) { return key.expired(); };
  if (std::none_of(keys_.begin(), keys_.end(), gone)) return;
  keys_.clear();
  values_.clear();
}

bool BatchMemo::Remembers(const Rows& rows) const {
  size_t key = 0;
  for (const Entries& row : rows) {
    for (const auto& entry : row) {
      if (key == keys_.size() || keys_[key++].lock() != entry) return false;
    }
  }
  return key == keys_.size() && !values_.empty();
}

}  // namespace wuerstchen::runtime
