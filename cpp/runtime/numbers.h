// Whole numbers that more than one part counts with. Any thread.
#ifndef CPP_RUNTIME_NUMBERS_H_
#define CPP_RUNTIME_NUMBERS_H_

#include <cstdint>
#include <vector>

namespace wuerstchen::runtime {

// The largest integer that JavaScript's numbers hold with all smaller ones.
constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;

constexpr int64_t DivideUp(int64_t value, int64_t by) {
  return (value + by - 1) / by;
}

constexpr int64_t RoundUp(int64_t value, int64_t multiple) {
  return DivideUp(value, multiple) * multiple;
}

// The product of a shape's lengths.
inline int64_t VolumeOf(const std::vector<int64_t>& shape) {
  int64_t volume = 1;
  for (const int64_t length : shape) volume *= length;
  return volume;
}

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_NUMBERS_H_
