// The steps of a graph, recorded once for each shape of their inputs and replayed from then on: on
// a GPU one launch instead of hundreds. Belongs to the device's thread, but for `report`.
#ifndef CPP_RUNTIME_RECORDINGS_H_
#define CPP_RUNTIME_RECORDINGS_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "runtime/executor.h"
#include "runtime/recorder.h"
#include "runtime/runtime.h"

namespace wuerstchen::runtime {

class Recordings final : public Executor {
 public:
  using Step = std::function<at::Tensor(const std::vector<c10::IValue>&)>;

  // `step` outlives this.
  Recordings(std::unique_ptr<Recorder> recorder, Step step);
  ~Recordings() override;

  // Steps, and no other method. Inputs are tensors and lists of tensors. Tensors of a list are
  // taken to be what they were for as long as they live. The first step of a shape runs as it is,
  // which gets libraries ready, the second one is recorded. One that cannot be recorded runs as it
  // is, and so do all others from then on.
  std::optional<Results> Run(const MethodCall& call) override;
  // The weights may be elsewhere.
  void Rebound(const std::vector<std::string>&, const Slots&) override { Clear(); }
  // From any thread.
  StepRecordings report() const;

 private:
  struct Recording;
  using Shapes = std::vector<int64_t>;

  void Clear();
  at::Tensor RunStep(const std::vector<c10::IValue>& inputs);
  Recording* Find(const Shapes& shapes);
  Recording* Record(const Shapes& shapes, const std::vector<c10::IValue>& inputs);
  void Refuse(const std::string& reason);

  const std::unique_ptr<Recorder> recorder_;
  const Step step_;
  std::set<Shapes> seen_;
  std::list<std::unique_ptr<Recording>> recordings_;  // the one that was used last is first
  mutable std::mutex mutex_;                          // of the report
  StepRecordings report_;
};

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_RECORDINGS_H_
