// torch's noise in diffusers' order. See `NativeNoise` of lib/native/types.ts.
#ifndef CPP_RUNTIME_NOISE_H_
#define CPP_RUNTIME_NOISE_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "runtime/runtime.h"

namespace wuerstchen::runtime {

// Keeps no numbers: of each draw that some row has not taken yet, it keeps where the generator
// stood, and draws a row's numbers when the row asks. Images that wait for their first turn so hold
// about a hundredth of their noise.
class TorchNoise final : public Noise {
 public:
  TorchNoise(uint64_t seed, int64_t rows, at::ScalarType dtype);
  void Release(int64_t row) override;

  // The draw that this row would take after `ahead` others, (1, C, H, W) float32 on the CPU. It
  // stays the row's until `Take`, so that a step that fails can be tried again.
  at::Tensor Peek(int64_t row, int64_t ahead, const Shape& shape);
  // The row's next `count` draws are used.
  void Take(int64_t row, int64_t count);

 private:
  // One draw for all rows.
  struct Draw {
    Shape shape;                        // of one row's part
    int64_t together;                   // rows between two places
    std::vector<at::Generator> places;  // where the generator stood before each of them
  };
  struct Row {
    int64_t taken = 0;
    bool released = false;
  };

  at::Tensor Pass(Shape shape, int64_t row);
  at::Tensor Repeat(const Draw& draw, int64_t row) const;
  void Forget();

  std::mutex mutex_;
  const uint64_t seed_;
  const at::ScalarType dtype_;
  std::optional<at::Generator> generator_;  // made on first use: on a device's thread
  std::deque<Draw> draws_;
  int64_t forgotten_ = 0;  // draws before those
  std::vector<Row> rows_;
};

inline TorchNoise& Torch(Noise& noise) {
  return static_cast<TorchNoise&>(noise);
}

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_NOISE_H_
