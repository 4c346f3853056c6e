#include "runtime/paging.h"

#include <cstddef>
#include <cstdint>

#include "platform/pages.h"

namespace wuerstchen::runtime {
namespace {

using Advice = void (*)(void* begin, size_t bytes);

// Advice about a range; its first and last page may hold something else, too, which `inwards`
// spares.
void AdviseRange(uintptr_t begin, uintptr_t end, Advice advice, bool inwards) {
  const uintptr_t page = platform::PageSize();
  begin = (inwards ? begin + page - 1 : begin) / page * page;
  end = (inwards ? end : end + page - 1) / page * page;
  if (begin < end) advice(reinterpret_cast<void*>(begin), end - begin);
}

void Advise(const at::Tensor& weight, Advice advice) {
  const auto begin = reinterpret_cast<uintptr_t>(weight.const_data_ptr());
  AdviseRange(begin, begin + weight.nbytes(), advice, advice == platform::LetGo);
}

}  // namespace

Pages::Pages(const WeightFiles& files, const std::vector<at::Tensor>& weights) {
  for (const auto& weight : weights) {
    if (weight.device().is_cpu() && files.Cover(weight)) Add(weight);
  }
}

void Pages::Bring(size_t index) {
  Advise(weights_[index], platform::ReadAhead);
}

void Pages::LetGo(size_t index) {
  Advise(weights_[index], platform::LetGo);
}

void Pages::LetGoOfAll() {
  // Neighbours together: the pages that they share, too.
  uintptr_t begin = 0, end = 0;
  for (const auto& [next, index] : by_begin_) {
    if (next > end + platform::PageSize()) {
      AdviseRange(begin, end, platform::LetGo, true);
      begin = next;
    }
    end = next + weights_[index].nbytes();
  }
  AdviseRange(begin, end, platform::LetGo, true);
}

void LetGoOfPages(const at::Tensor& mapped) {
  Advise(mapped, platform::LetGo);
}

}  // namespace wuerstchen::runtime
