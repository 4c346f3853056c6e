#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>

#include "platform/affinity.h"
#include "runtime/cached_memory.h"
#include "runtime/graph.h"
#include "runtime/interruption.h"
#include "runtime/runtime.h"
#include "runtime/workspace.h"

// Of LLVM's and Intel's OpenMP, in milliseconds: `weak` makes it null where neither is.
extern "C" __attribute__((weak)) void kmp_set_blocktime(int milliseconds);

namespace wuerstchen::runtime {
namespace {

c10::Device ParseDevice(const std::string& name) {
  const auto fail = [&name]() {
    return Error(
        ErrorCode::kInvalidArgument,
        "Expected device to be one that this libtorch and this machine have but received '" + name +
            "'");
  };
  std::optional<c10::Device> device;
  try {
    device = c10::Device(name);
  } catch (const c10::Error&) {
    throw fail();
  }
  if (device->is_cpu()) return c10::Device(c10::kCPU);
  // Not every type of libtorch's is a machine: `meta` tensors hold nothing.
  if (!device->is_cuda() && !device->is_mps()) throw fail();
  if (!c10::impl::hasDeviceGuardImpl(device->type())) throw fail();
  const c10::DeviceIndex index = device->has_index() ? device->index() : 0;
  if (index >= c10::impl::VirtualGuardImpl(device->type()).deviceCount()) throw fail();
  return c10::Device(device->type(), index);
}

// What GOMP_SPINCOUNT is to GNU's OpenMP (cpp/loader/libraries.h): LLVM's and Intel's let waiting
// threads spin for 200 ms. They are asked by a call for each thread that has others work for it.
void SleepSoon() {
  if (kmp_set_blocktime == nullptr) return;
  if (getenv("KMP_BLOCKTIME") != nullptr || getenv("OMP_WAIT_POLICY") != nullptr) return;
  kmp_set_blocktime(1);
}

// How many threads this one works with. libtorch keeps that for each thread, but the first use
// takes what was set last in the process, by whichever device; and it has a first use in every
// library that its headers are compiled into.
void SetThreads(int threads) {
  static std::mutex alone;
  const std::lock_guard lock(alone);
  at::set_num_threads(threads);
  at::internal::lazy_init_num_threads();  // in this one
  at::get_num_threads();                  // in libtorch
  SleepSoon();
}

// OpenMP may be told to choose the CPUs of its threads itself: then they do not inherit them.
void Bind(const std::vector<int>& cpus) {
  try {
    platform::BindThread(cpus);
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kInvalidArgument, error.what());
  }
  const auto bound = platform::CpusOfThread();
  std::atomic<bool> astray = false;
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    if (platform::CpusOfThread() != bound) astray = true;
  });
  if (!astray) return;
  throw Error(ErrorCode::kInvalidArgument,
              "Expected OpenMP to leave its threads to the device's CPUs but it chooses others. "
              "Unset OMP_PROC_BIND, OMP_PLACES and GOMP_CPU_AFFINITY.");
}

}  // namespace

// The queue is shared with other threads under `mutex_`; all else is the thread's own.
class Device::Thread {
 public:
  Thread(c10::Device device, int threads, const std::vector<int>& cpus)
      : thread_([this, device, threads, cpus] { Main(device, threads, cpus); }) {}
  ~Thread() { Halt(); }

  // Until the thread keeps to its CPUs. Throws where it cannot.
  void AwaitStart() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return has_started_; });
    if (refusal_) throw *refusal_;
  }

  bool Post(Task task) {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    tasks_.push_back(std::move(task));
    changed_.notify_all();
    return true;
  }

  void Finish(std::function<void()> ended) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    ended_ = std::move(ended);
    changed_.notify_all();
  }

  void Stop() {
    std::deque<Task> dropped;  // destroyed outside the lock
    const std::lock_guard lock(mutex_);
    halting_ = true;
    closed_ = true;
    dropped.swap(tasks_);
    changed_.notify_all();
  }

  bool EndsWithin(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [this] { return has_ended_; });
  }

  void Halt() {
    Stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  // What is thrown here would end the process: nothing gets past it.
  void Main(c10::Device device, int threads, const std::vector<int>& cpus) {
    try {
      Start(threads, cpus);
      RunAll(device);
    } catch (...) {  // the thread cannot use its device
      const auto error = CurrentError();
      Started(error);
      FailAll(error);
    }
    if (ended_) ended_();
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
    changed_.notify_all();
  }

  // The CPUs come after `SetThreads`, which starts threads that libtorch shares among all devices,
  // and before OpenMP starts this thread's team. Those of the team inherit them, so weights that
  // they bring into the kernels' layout lie in the memory of these CPUs.
  void Start(int threads, const std::vector<int>& cpus) {
    SetThreads(threads);
    if (!cpus.empty()) Bind(cpus);
    Started(std::nullopt);
  }

  void Started(const std::optional<Error>& refusal) {
    const std::lock_guard lock(mutex_);
    if (has_started_) return;
    refusal_ = refusal;
    has_started_ = true;
    changed_.notify_all();
  }

  void RunAll(c10::Device device) {
    DisableSpecialisation();
    const c10::InferenceMode inference;
    const c10::DeviceGuard guard(device);
    const Interruption interruption(halting_);
    WorkAll(device);
    ReleaseCachedMemory(device);
  }

  void WorkAll(c10::Device device) {
    Workspace workspace{device, halting_, {}, {}, {}, {}};
    while (auto task = Next()) {
      try {
        task->run(workspace);
      } catch (...) {
        Fail(*task, CurrentError());
      }
      task.reset();  // lets go of what it held
      workspace.conditions.Trim();
    }
  }

  void FailAll(const Error& error) {
    while (const auto task = Next()) Fail(*task, error);
  }

  static void Fail(const Task& task, const Error& error) {
    if (task.fail) task.fail(error);
  }

  // Waits for a task; none is the end.
  std::optional<Task> Next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
    if (tasks_.empty()) return std::nullopt;
    std::optional<Task> task(std::move(tasks_.front()));
    tasks_.pop_front();
    return task;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::function<void()> ended_;
  bool closed_ = false;
  bool has_ended_ = false;
  std::optional<Error> refusal_;
  bool has_started_ = false;
  std::atomic<bool> halting_ = false;
  std::thread thread_;  // last: it uses all of the above
};

Device::Device(const std::string& name, int threads, const std::vector<int>& cpus)
    : thread_(std::make_unique<Thread>(ParseDevice(name), threads, cpus)) {
  if (!cpus.empty()) thread_->AwaitStart();
}
Device::~Device() = default;
bool Device::Post(Task task) {
  return thread_->Post(std::move(task));
}
void Device::Finish(std::function<void()> ended) {
  thread_->Finish(std::move(ended));
}
void Device::Stop() {
  thread_->Stop();
}
bool Device::EndsWithin(std::chrono::milliseconds patience) {
  return thread_->EndsWithin(patience);
}
void Device::Halt() {
  thread_->Halt();
}

}  // namespace wuerstchen::runtime
