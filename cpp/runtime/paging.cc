#include "runtime/paging.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace wuerstchen::runtime {
namespace {

uintptr_t PageSize() {
  return static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
}

// Advice about a range; its first and last page may hold something else, too, which `inwards`
// spares.
void AdviseRange(uintptr_t begin, uintptr_t end, int advice, bool inwards) {
  const uintptr_t page = PageSize();
  begin = (inwards ? begin + page - 1 : begin) / page * page;
  end = (inwards ? end : end + page - 1) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

void Advise(const at::Tensor& weight, int advice) {
  const auto begin = reinterpret_cast<uintptr_t>(weight.const_data_ptr());
  AdviseRange(begin, begin + weight.nbytes(), advice, advice == MADV_DONTNEED);
}

}  // namespace

Pages::Pages(const WeightFiles& files, const std::vector<at::Tensor>& weights) {
  for (const auto& weight : weights) {
    if (weight.device().is_cpu() && files.Cover(weight)) Add(weight);
  }
}

void Pages::Bring(size_t index) {
  Advise(weights_[index], MADV_WILLNEED);
}

void Pages::LetGo(size_t index) {
  Advise(weights_[index], MADV_DONTNEED);
}

void Pages::LetGoOfAll() {
  // Neighbours together: the pages that they share, too.
  uintptr_t begin = 0, end = 0;
  for (const auto& [next, index] : by_begin_) {
    if (next > end + PageSize()) {
      AdviseRange(begin, end, MADV_DONTNEED, true);
      begin = next;
    }
    end = next + weights_[index].nbytes();
  }
  AdviseRange(begin, end, MADV_DONTNEED, true);
}

void LetGoOfPages(const at::Tensor& mapped) {
  Advise(mapped, MADV_DONTNEED);
}

}  // namespace wuerstchen::runtime
