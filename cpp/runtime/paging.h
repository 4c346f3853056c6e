// The pages of mapped weights that this process holds. Letting go of them is never wrong, only
// slower: touched again they come back from the file, or from the system's cache of it. What is
// private memory is never touched here. Belongs to the device's thread.
#ifndef CPP_RUNTIME_PAGING_H_
#define CPP_RUNTIME_PAGING_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

#include "runtime/walk.h"
#include "runtime/weights.h"

namespace wuerstchen::runtime {

class Pages final : public Places {
 public:
  // Of the mapped ones among these weights.
  Pages(const WeightFiles& files, const std::vector<at::Tensor>& weights);

  // Has the system read it from the disk, as far as it has not yet.
  void Bring(size_t index) override;
  void LetGo(size_t index) override;
  void LetGoOfAll() override;
  bool in_place() const override { return true; }
  at::Tensor Get(size_t index) override { return weights_[index]; }
};

// Lets go of the pages that lie in a mapped tensor alone.
void LetGoOfPages(const at::Tensor& mapped);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_PAGING_H_
