#include "runtime/blocks/strips.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "runtime/blocks/tasks.h"
#include "runtime/interruption.h"
#include "runtime/numbers.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr int64_t kBehind = 2;   // strips between a layer and the next
constexpr int kPatience = 2000;  // looks at a number before the core is offered to others

// What is left to do of each strip of each layer.
class Progress {
 public:
  explicit Progress(const StripPlan& plan)
      : plan_(plan), left_(new std::atomic<int64_t>[plan.layers() * plan.strips()]) {
    for (int64_t layer = 0; layer < plan.layers(); ++layer) {
      for (int64_t strip = 0; strip < plan.strips(); ++strip) {
        Of(layer, strip).store(plan.TasksOf(layer, strip), std::memory_order_relaxed);
      }
    }
  }

  // False if the work was given up.
  bool WaitFor(const StripPlan::Task& task) const {
    // What it reads, and who reads what was in its place before.
    return WaitForStrips(task.layer - 1, task.strip - 1, task.strip + 1) &&
           WaitForStrips(task.layer + 1, task.strip - kStripsKept - 1,
                         task.strip - kStripsKept + 1);
  }
  void Done(const StripPlan::Task& task) {
    Of(task.layer, task.strip).fetch_sub(1, std::memory_order_release);
  }
  void GiveUp() { given_up_.store(true, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t>& Of(int64_t layer, int64_t strip) const {
    return left_[layer * plan_.strips() + strip];
  }

  bool WaitForStrips(int64_t layer, int64_t first, int64_t last) const {
    if (layer < 0 || layer >= plan_.layers()) return true;
    for (int64_t strip = std::max<int64_t>(first, 0); strip <= std::min(last, plan_.strips() - 1);
         ++strip) {
      const auto& left = Of(layer, strip);
      for (int looks = 0; left.load(std::memory_order_acquire) > 0; ++looks) {
        if (given_up_.load(std::memory_order_relaxed)) return false;
        if (looks >= kPatience) std::this_thread::yield();
      }
    }
    return true;
  }

  const StripPlan& plan_;
  const std::unique_ptr<std::atomic<int64_t>[]> left_;
  std::atomic<bool> given_up_{false};
};

}  // namespace

StripPlan::StripPlan(std::vector<StripLayer> layers, int64_t strips)
    : layers_(std::move(layers)), strips_(strips) {
  const int64_t turns = strips_ + kBehind * (this->layers() - 1);
  for (int64_t turn = 0; turn < turns; ++turn) {
    for (int64_t layer = 0; layer < this->layers(); ++layer) {
      const int64_t strip = turn - kBehind * layer;
      if (strip < 0 || strip >= strips_) continue;
      groups_.push_back({layer, strip, tasks_});
      tasks_ += TasksOf(layer, strip);
    }
  }
}

int64_t StripPlan::CellsOf(int64_t layer, int64_t strip) const {
  return strip == strips_ - 1 ? layers_[layer].rest : layers_[layer].cells;
}

int64_t StripPlan::TasksOf(int64_t layer, int64_t strip) const {
  return DivideUp(CellsOf(layer, strip), layers_[layer].most);
}

StripPlan::Task StripPlan::At(int64_t task) const {
  const auto next =
      std::upper_bound(groups_.begin(), groups_.end(), task,
                       [](int64_t value, const Group& group) { return value < group.first_task; });
  const auto& group = *std::prev(next);
  const int64_t count = TasksOf(group.layer, group.strip), place = task - group.first_task;
  const int64_t cells = CellsOf(group.layer, group.strip);
  return {group.layer, group.strip, cells * place / count, cells * (place + 1) / count};
}

void RunStrips(const StripPlan& plan, double work,
               const std::function<void(const StripPlan::Task&)>& run) {
  if (const auto& trace = Trace::Current()) {
    return trace->Region(plan.tasks(), work, [&](int64_t place) { run(plan.At(place)); });
  }
  Progress progress(plan);
  std::atomic<int64_t> next{0};
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    try {
      for (int64_t place; (place = next.fetch_add(1, std::memory_order_relaxed)) < plan.tasks();) {
        const auto task = plan.At(place);
        StopIfHalting();  // on the device's own thread, which is one of these
        if (!progress.WaitFor(task)) return;
        run(task);
        progress.Done(task);
      }
    } catch (...) {
      progress.GiveUp();
      throw;
    }
  });
}

}  // namespace wuerstchen::runtime::blocks
