// The shared libraries of this process: lists them, reads a version out of one.
// Plain functions without state; they may be called from any thread.
#ifndef CPP_LOADER_LIBRARIES_H_
#define CPP_LOADER_LIBRARIES_H_

#include <optional>
#include <string>
#include <vector>

namespace wuerstchen::loader {

// While it lives, an OpenMP that is opened learns to let waiting threads spin for microseconds,
// then sleep. By default they spin for milliseconds; beside any other work they then hold the cores
// that the awaited threads need (docs/benchmarks.md: over a minute instead of four seconds for one
// picture). OpenMP reads this once, so child processes need not inherit it. What the user has set
// stays.
class BriefSpinning {
 public:
  BriefSpinning();
  ~BriefSpinning();
  BriefSpinning(const BriefSpinning&) = delete;
  BriefSpinning& operator=(const BriefSpinning&) = delete;

 private:
  bool set_;
};

// Absolute paths of the mapped libraries whose file name starts with `prefix`.
std::vector<std::string> Mapped(const std::string& prefix);

// 'major.minor.patch' of a libtorch_cpu that is already mapped; nothing if it is not, or tells
// none.
std::optional<std::string> TorchVersion(const std::string& path);

}  // namespace wuerstchen::loader

#endif  // CPP_LOADER_LIBRARIES_H_
