#include "runtime/walk.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

namespace wuerstchen::runtime {
namespace {

// What the callback of libtorch finds its walk by: a callback is a plain function.
struct WalkInfo final : c10::DebugInfoBase {
  explicit WalkInfo(Walk* walk) : walk(walk) {}
  Walk* const walk;
};
constexpr std::string_view kWalkName = "WUERSTCHEN_WALK";

// A name since libtorch 2.13, a number before.
template <typename Kind>
Kind KindOfWalk() {
  if constexpr (std::is_enum_v<Kind>)
    return static_cast<Kind>('W');
  else
    return Kind(&kWalkName);
}
const auto kWalk = KindOfWalk<c10::DebugInfoKind>();

std::unique_ptr<at::ObserverContext> OnOperator(const at::RecordFunction& function) {
  for (const auto& input : function.inputs()) {
    if (input.isTensor()) Walk::Use(input.toTensor());
  }
  return nullptr;
}

std::optional<at::CallbackHandle> Listen(const Places& places) {
  if (!places.in_place()) return std::nullopt;
  return at::addThreadLocalCallback(
      at::RecordFunctionCallback(OnOperator).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
}

uintptr_t BeginOf(const at::Tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.storage().data());
}

}  // namespace

void Places::Add(const at::Tensor& weight) {
  if (by_begin_.emplace(BeginOf(weight), weights_.size()).second) weights_.push_back(weight);
}

std::optional<size_t> Places::Find(const at::Tensor& tensor) const {
  if (!tensor.defined() || !tensor.has_storage() || !tensor.device().is_cpu()) return std::nullopt;
  const auto found = by_begin_.find(BeginOf(tensor));
  if (found == by_begin_.end()) return std::nullopt;
  return found->second;
}

void Places::BringAll() {
  for (size_t index = 0; index < size(); ++index) Bring(index);
}

Walk::Walk(Places& places, std::string method, int64_t window)
    : places_(places),
      method_(std::move(method)),
      window_(window),
      order_(places.trails_[method_]),
      position_(places.size(), 0),
      seen_(places.size(), false),
      guard_(kWalk, std::make_shared<WalkInfo>(this)),
      callback_(Listen(places)) {
  if (order_.empty()) {
    for (size_t index = 0; index < places.size(); ++index) order_.push_back(index);
  }
  for (size_t place = 0; place < order_.size(); ++place) position_[order_[place]] = place;
}

Walk::~Walk() {
  if (callback_) at::removeCallback(*callback_);
  if (window_ == 0) return;
  places_.trails_[method_] = std::move(trail_);
  places_.LetGoOfAll();
}

at::Tensor Walk::Use(const at::Tensor& weight) {
  auto* const info = static_cast<WalkInfo*>(c10::ThreadLocalDebugInfo::get(kWalk));
  if (info == nullptr) return weight;
  auto& walk = *info->walk;
  const auto index = walk.places_.Find(weight);
  if (!index) return weight;
  walk.Reach(*index);
  return walk.places_.Get(*index);
}

void Walk::Reach(size_t index) {
  if (window_ == 0 || (!held_.empty() && held_.back() == index)) return;
  const auto known = std::find(held_.begin(), held_.end(), index);
  if (known == held_.end()) {
    held_bytes_ += places_.bytes(index);
  } else {
    held_.erase(known);
  }
  held_.push_back(index);
  if (!seen_[index]) {
    seen_[index] = true;
    trail_.push_back(index);
    BringAhead(index);
  }
  LetGo();
}

void Walk::LetGo() {
  while (held_bytes_ > window_ && held_.size() > 1) {
    places_.LetGo(held_.front());
    held_bytes_ -= places_.bytes(held_.front());
    held_.pop_front();
  }
}

void Walk::BringAhead(size_t index) {
  const size_t here = position_[index];
  int64_t bytes = 0;
  for (size_t place = here; place < order_.size() && bytes <= window_; ++place) {
    if (place > here) bytes += places_.bytes(order_[place]);
    if (place < ahead_) continue;
    places_.Bring(order_[place]);
    ahead_ = place + 1;
  }
}

}  // namespace wuerstchen::runtime
