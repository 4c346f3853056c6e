// Weights that stay in the host's memory and visit a device in copies. On CUDA they travel on a
// stream of their own, from pinned memory, while the device computes with those that came before.
// Belongs to the device's thread.
#ifndef CPP_RUNTIME_VISITS_H_
#define CPP_RUNTIME_VISITS_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <torch/csrc/jit/api/module.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "runtime/walk.h"

namespace wuerstchen::runtime {

class Visits final : public Places {
 public:
  Visits(const std::vector<at::Tensor>& weights, c10::Device device);

  void Bring(size_t index) override;
  void LetGo(size_t index) override;
  void LetGoOfAll() override;
  bool in_place() const override { return false; }
  at::Tensor Get(size_t index) override;

 private:
  struct Visit {
    at::Tensor copy;
    std::optional<c10::Event> arriving;  // until somebody waits for it
  };

  const c10::Device device_;
  std::optional<c10::Stream> travel_;  // on CUDA
  std::vector<Visit> visits_;
  std::optional<c10::Event> left_;  // when the device was done with what was let go of last
};

// Makes a module stop, or ask for the visitor, wherever it reads a weight: between two of them is
// where a call that takes long can end early.
void WatchReads(const torch::jit::Module& module);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_VISITS_H_
