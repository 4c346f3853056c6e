#include "runtime/paging.h"

#include <sys/mman.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <utility>

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

// What the callback of libtorch finds its walk by: a callback is a plain function.
struct WalkInfo final : c10::DebugInfoBase {
  explicit WalkInfo(PageWalk* walk) : walk(walk) {}
  PageWalk* const walk;
};
constexpr std::string_view kWalkName = "WUERSTCHEN_PAGE_WALK";
const c10::DebugInfoKind kWalk(&kWalkName);

std::unique_ptr<at::ObserverContext> OnOperator(const at::RecordFunction& function) {
  for (const auto& input : function.inputs()) {
    if (input.isTensor()) PageWalk::Touch(input.toTensor());
  }
  return nullptr;
}

at::CallbackHandle Listen() {
  return at::addThreadLocalCallback(
      at::RecordFunctionCallback(OnOperator).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
}

uintptr_t BeginOf(const at::Tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.storage().data());
}

}  // namespace

Pages::Pages(const WeightFiles& files, const std::vector<at::Tensor>& weights) {
  for (const auto& weight : weights) {
    if (!weight.device().is_cpu() || !files.Cover(weight)) continue;
    const auto begin = BeginOf(weight);
    if (!by_begin_.emplace(begin, ranges_.size()).second) continue;
    ranges_.push_back({begin, begin + weight.nbytes()});
    bytes_ += static_cast<int64_t>(weight.nbytes());
  }
}

void Pages::Advise(size_t index, int advice) const {
  AdviseRange(ranges_[index].begin, ranges_[index].end, advice, advice == MADV_DONTNEED);
}

void Pages::Release() const {
  // Neighbours together: the pages that they share, too.
  uintptr_t begin = 0, end = 0;
  for (const auto& [next, index] : by_begin_) {
    if (next > end + PageSize()) {
      AdviseRange(begin, end, MADV_DONTNEED, true);
      begin = next;
    }
    end = ranges_[index].end;
  }
  AdviseRange(begin, end, MADV_DONTNEED, true);
}

void Pages::Prefetch() const {
  for (size_t index = 0; index < ranges_.size(); ++index) Advise(index, MADV_WILLNEED);
}

PageWalk::PageWalk(Pages& pages, std::string method, int64_t window)
    : pages_(pages),
      method_(std::move(method)),
      window_(window),
      order_(pages.trails_[method_]),
      places_(pages.ranges_.size(), 0),
      seen_(pages.ranges_.size(), false),
      guard_(kWalk, std::make_shared<WalkInfo>(this)),
      callback_(Listen()) {
  if (order_.empty()) {
    for (size_t index = 0; index < places_.size(); ++index) order_.push_back(index);
  }
  for (size_t place = 0; place < order_.size(); ++place) places_[order_[place]] = place;
}

PageWalk::~PageWalk() {
  at::removeCallback(callback_);
  pages_.trails_[method_] = std::move(trail_);
  pages_.Release();
}

void PageWalk::Touch(const at::Tensor& weight) {
  auto* const info = static_cast<WalkInfo*>(c10::ThreadLocalDebugInfo::get(kWalk));
  if (info != nullptr) info->walk->Reach(weight);
}

void PageWalk::Reach(const at::Tensor& weight) {
  if (!weight.defined() || !weight.has_storage() || !weight.device().is_cpu()) return;
  const auto found = pages_.by_begin_.find(BeginOf(weight));
  if (found == pages_.by_begin_.end()) return;
  const size_t index = found->second;
  if (!held_.empty() && held_.back() == index) return;
  const auto known = std::find(held_.begin(), held_.end(), index);
  const auto& range = pages_.ranges_[index];
  if (known == held_.end()) {
    held_bytes_ += static_cast<int64_t>(range.end - range.begin);
  } else {
    held_.erase(known);
  }
  held_.push_back(index);
  if (!seen_[index]) {
    seen_[index] = true;
    trail_.push_back(index);
    ReadAhead(index);
  }
  LetGo();
}

void PageWalk::LetGo() {
  while (held_bytes_ > window_ && held_.size() > 1) {
    const auto& range = pages_.ranges_[held_.front()];
    pages_.Advise(held_.front(), MADV_DONTNEED);
    held_bytes_ -= static_cast<int64_t>(range.end - range.begin);
    held_.pop_front();
  }
}

void PageWalk::ReadAhead(size_t index) {
  const size_t here = places_[index];
  int64_t bytes = 0;
  for (size_t place = here; place < order_.size() && bytes <= window_; ++place) {
    const auto& range = pages_.ranges_[order_[place]];
    if (place > here) bytes += static_cast<int64_t>(range.end - range.begin);
    if (place < ahead_) continue;
    pages_.Advise(order_[place], MADV_WILLNEED);
    ahead_ = place + 1;
  }
}

void TrimAllocator() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace wuerstchen::runtime
