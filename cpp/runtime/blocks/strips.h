// A chain of layers that is computed strip by strip: each layer keeps a few strips of its rows,
// just enough for the next one, so memory grows with the width of a picture and not with its
// height. A strip needs the rows of its neighbours above and below; nothing is computed twice.
//
// All layers are on their way at once, each two strips behind the one before it. Tasks have one
// order, and threads take the next one: it waits until what it reads is there, and what it
// overwrites has been read. What a task waits for comes before it, so somebody is on it already.
#ifndef CPP_RUNTIME_BLOCKS_STRIPS_H_
#define CPP_RUNTIME_BLOCKS_STRIPS_H_

#include <cstdint>
#include <functional>
#include <vector>

namespace wuerstchen::runtime::blocks {

// Strips that a layer keeps: the three that the next layer reads, and the one that it writes.
constexpr int64_t kStripsKept = 4;

struct StripLayer {
  int64_t cells;  // of a whole strip, in the rows that the layer reads
  int64_t rest;   // of the last strip
  int64_t most;   // cells of a task, at most
};

// How the layers' work is cut. Plain numbers, so that it can be tested without running anything.
class StripPlan {
 public:
  struct Task {
    int64_t layer, strip;
    int64_t first, end;  // cells of the strip
  };

  StripPlan(std::vector<StripLayer> layers, int64_t strips);

  int64_t strips() const { return strips_; }
  int64_t layers() const { return static_cast<int64_t>(layers_.size()); }
  int64_t tasks() const { return tasks_; }
  Task At(int64_t task) const;
  // Tasks of one strip of a layer.
  int64_t TasksOf(int64_t layer, int64_t strip) const;
  int64_t CellsOf(int64_t layer, int64_t strip) const;

 private:
  struct Group {
    int64_t layer, strip, first_task;
  };

  const std::vector<StripLayer> layers_;
  const int64_t strips_;
  std::vector<Group> groups_;
  int64_t tasks_ = 0;
};

// Runs all tasks on all threads of the device. `work`: see tasks.h.
void RunStrips(const StripPlan& plan, double work,
               const std::function<void(const StripPlan::Task&)>& run);

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_STRIPS_H_
