// CUDA graphs, as a recorder. The only part that is compiled with CUDA's headers: a library of its
// own, opened where a pipeline asks for it. It is linked to nothing of CUDA but the names of
// libtorch's libraries, which are open by then.
#include "runtime/recorder.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <exception>
#include <utility>

namespace wuerstchen::cuda {
namespace {

class GraphTape final : public runtime::Recorder::Tape {
 public:
  // The last replay may still be under way.
  ~GraphTape() override {
    try {
      c10::cuda::getCurrentCUDAStream().synchronize();
    } catch (...) {  // a device that is gone does nothing any more
    }
  }

  void Record(at::cuda::MempoolId_t pool, const std::function<void()>& work) {
    // Other threads, of other pipelines and libraries, may go on allocating meanwhile.
    graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      End();
      throw;
    }
    graph_.capture_end();
  }
  void Replay() override { graph_.replay(); }

 private:
  // Of a recording that failed, and about which nothing new is to be said.
  void End() noexcept {
    try {
      graph_.capture_end();
    } catch (...) {
    }
  }

  at::cuda::CUDAGraph graph_;
};

class GraphRecorder final : public runtime::Recorder {
 public:
  std::unique_ptr<Tape> Record(std::function<void()> work) override {
    auto tape = std::make_unique<GraphTape>();
    c10::cuda::getCurrentCUDAStream().synchronize();
    const c10::cuda::CUDAStreamGuard aside(stream_);
    tape->Record(pool_, work);
    return tape;
  }

 private:
  const at::cuda::MempoolId_t pool_ = at::cuda::graph_pool_handle();
  // The default one cannot be recorded. Always the same: libraries keep memory for each.
  const c10::cuda::CUDAStream stream_ = c10::cuda::getStreamFromPool();
};

}  // namespace
}  // namespace wuerstchen::cuda

extern "C" __attribute__((visibility("default"))) wuerstchen::runtime::Recorder*
wuerstchen_make_recorder() {
  return new wuerstchen::cuda::GraphRecorder();
}
