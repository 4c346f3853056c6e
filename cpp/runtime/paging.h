// The pages of mapped weights that this process holds. Letting go of them is never wrong, only
// slower: touched again they come back from the file, or from the system's cache of it. Which are
// wanted is decided elsewhere; what is private memory is never touched here. Belongs to the
// device's thread.
#ifndef CPP_RUNTIME_PAGING_H_
#define CPP_RUNTIME_PAGING_H_

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/weights.h"

namespace wuerstchen::runtime {

// The mapped ones among a graph's weights, in the graph's order.
class Pages {
 public:
  Pages(const WeightFiles& files, const std::vector<at::Tensor>& weights);

  void Release() const;
  // Has the system read them from the disk, as far as it has not yet.
  void Prefetch() const;
  int64_t bytes() const { return bytes_; }

 private:
  friend class PageWalk;
  struct Range {
    uintptr_t begin, end;
  };
  void Advise(size_t index, int advice) const;

  std::vector<Range> ranges_;
  std::map<uintptr_t, size_t> by_begin_;
  int64_t bytes_ = 0;
  // In which order each method used them when it last ran.
  std::map<std::string, std::vector<size_t>> trails_;
};

// Follows one call of a graph from weight to weight, for as long as it lives: those used last stay,
// up to `window` bytes, as many are read ahead, and at the end all are let go.
class PageWalk {
 public:
  PageWalk(Pages& pages, std::string method, int64_t window);
  ~PageWalk();
  PageWalk(const PageWalk&) = delete;
  PageWalk& operator=(const PageWalk&) = delete;

  // An operator is about to read this tensor. For code that uses weights without libtorch's
  // operators; whose weights are seen anyway. Does nothing where no walk is under way.
  static void Touch(const at::Tensor& weight);

 private:
  void Reach(const at::Tensor& weight);
  void LetGo();
  void ReadAhead(size_t index);

  Pages& pages_;
  const std::string method_;
  const int64_t window_;
  std::vector<size_t> order_;   // expected
  std::vector<size_t> places_;  // in it, by weight
  std::vector<size_t> trail_;   // seen
  std::vector<bool> seen_;
  std::deque<size_t> held_;  // used longest ago first
  int64_t held_bytes_ = 0;
  size_t ahead_ = 0;  // how far in `order_` was read
  const c10::DebugInfoGuard guard_;
  const at::CallbackHandle callback_;
};

// Gives memory that the allocator keeps free back to the system.
void TrimAllocator();

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_PAGING_H_
