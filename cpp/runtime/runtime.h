// All that the binding may ask of the runtime, in plain C++: no header of libtorch, none of Node.
//
// What has a `Workspace&` first runs on the device's thread, as a task of `Device::Post`; it
// blocks, and throws `Error` or what libtorch throws (`CurrentError` turns either into an `Error`).
// The rest may be called from any thread. Tensors, graphs and noise are shared: a task keeps what
// it uses alive.
#ifndef CPP_RUNTIME_RUNTIME_H_
#define CPP_RUNTIME_RUNTIME_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/error.h"

namespace wuerstchen::runtime {

using Shape = std::vector<int64_t>;

enum class Dtype { kFloat32, kFloat16, kBFloat16 };
enum class StoredDtype { kFloat64, kFloat32, kFloat16, kBFloat16, kInt64, kInt32 };

// libtorch's tensor is in `TorchTensor`; what never changes about it can be read from any thread.
struct Tensor {
  Tensor(Shape shape, int64_t bytes) : shape(std::move(shape)), bytes(bytes) {}
  virtual ~Tensor() = default;
  const Shape shape;
  const int64_t bytes;
};
using TensorPtr = std::shared_ptr<Tensor>;

// What became of steps that were to be recorded and replayed.
struct StepRecordings {
  int64_t recorded = 0;
  int64_t replayed = 0;
  std::string refused;  // why none are recorded any more; empty while they are
};

// libtorch's module is in `TorchGraph`.
struct Graph {
  virtual ~Graph() = default;
  virtual StepRecordings recordings() const { return {}; }
  std::atomic<int64_t> weight_bytes = 0;
  // The part of them that is private memory and not the mapped file.
  std::atomic<int64_t> copied_bytes = 0;
  // Private memory that the kernels keep between calls: packed weights and scratch.
  std::atomic<int64_t> kernel_bytes = 0;
  // What they will keep of blocks whose weights are others than those of the packed file that is
  // read.
  std::atomic<int64_t> repacked_bytes = 0;
  std::atomic<int64_t> peak_bytes = 0;  // that the tensors of one call took, at most
  // Why a compiled method could not be loaded, by method: the graph runs in its place.
  std::map<std::string, std::string> refused;
};

// The noise of one seed for `rows` images. Safe to use from several threads.
class Noise {
 public:
  explicit Noise(int64_t rows) : rows(rows) {}
  virtual ~Noise() = default;
  // Frees what is kept for a row that will ask no more.
  virtual void Release(int64_t row) = 0;
  const int64_t rows;
};
// `dtype`: what it is drawn in; torch draws other numbers in each.
std::shared_ptr<Noise> MakeNoise(uint64_t seed, int64_t rows, Dtype dtype);

// What belongs to one device's thread: no other thread touches it.
struct Workspace;

// A device and the thread that owns it. Tasks run one at a time, in the order of `Post`; they must
// not hold the last reference to their `Device`.
class Device {
 public:
  struct Task {
    std::function<void(Workspace&)> run;
    // Called on the same thread with what `run` throws, or in its place where the thread cannot use
    // its device. Must not throw.
    std::function<void(const Error&)> fail = nullptr;
  };

  // `cpus`: those that the device's threads keep to, on Linux; none for all of the process. Throws
  // kInvalidArgument for a device or CPUs that this libtorch or this machine does not have.
  Device(const std::string& name, int threads, const std::vector<int>& cpus);
  ~Device();  // Halts.

  // False, and the task is dropped, once the device was finished or halted.
  bool Post(Task task);
  // Lets queued tasks run, then ends the thread; its last act is to call `ended`. Returns at once.
  void Finish(std::function<void()> ended);
  // Drops queued tasks and asks the running one to stop: before its next step, weight or block of a
  // network. Returns at once.
  void Stop();
  // Whether the thread has ended, or does within `patience`.
  bool EndsWithin(std::chrono::milliseconds patience);
  // Stops, and waits for the thread. Safe twice, but only from one thread.
  void Halt();

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

// Where in a file a tensor lies.
struct StoredTensor {
  std::string file;
  StoredDtype dtype;
  Shape shape;
  uint64_t offset;
  uint64_t bytes;
  bool operator==(const StoredTensor&) const = default;
};

// Where in a file something lies that kernels packed.
struct PackedTensor {
  std::string name;
  std::string file;
  uint64_t offset;
  uint64_t bytes;
};

// What a graph's parameter becomes: the stored tensor, moved towards another one of its shape, and
// with low-rank changes added, scale * up @ down.
struct WeightBinding {
  struct Mix {
    StoredTensor other;
    double weight;
    bool operator==(const Mix&) const = default;
  };
  struct Delta {
    StoredTensor up;    // (out, rank), or (out, rank, 1, 1)
    StoredTensor down;  // (rank, in), or (rank, in, 1, 1)
    double scale;
    bool operator==(const Delta&) const = default;
  };
  std::string name;
  StoredTensor stored;
  std::optional<Mix> mix;
  std::vector<Delta> deltas;
  bool operator==(const WeightBinding&) const = default;
};

// Whether weights are brought into the kernels' own layout, in private memory: in the numbers that
// are computed with, or rounded to 8 bits, where all else stays in float32 but the rows that meet
// them: those are rounded to 16 bits (kInt8) or to 8 (kBytes).
enum class Packing { kNone, kFull, kInt8, kBytes };

// How the blocks of a graph run on kernels of our own, where the CPU has them.
struct KernelOptions {
  std::string kind;  // of CPU, one of `Platform::kernels`
  Packing packing;
  // Names of what is left to the graph: a block's class, such as `AttentionBlock`, `collapse` for
  // Stage B's image embeddings, or `copies` for rows of guidance before the first attention.
  std::vector<std::string> without;
};

// What the manifest says of a graph's blocks, by their paths in it: what can be left out.
struct BlockFacts {
  // The blocks up to the first one that reads the text, in their order: until then rows of guidance
  // are copies of others. Empty where they are not.
  std::vector<std::string> before_text;
  // Of a level, such as `down_blocks.1`, the linear map of the image embeddings that its blocks
  // read: it can be folded into them.
  std::map<std::string, std::string> mappers;
};

// A method in machine code for this kind of machine, which runs in the graph's place.
struct CompiledMethod {
  std::string method;
  std::string file;
};

struct LoadRequest {
  std::string graph;
  std::vector<WeightBinding> weights;
  Dtype stored;  // what the weights are held in
  Dtype dtype;  // what is computed in; float32 may be wider than what is held, nothing else differs
  std::optional<KernelOptions> kernels;
  BlockFacts blocks;
  std::vector<CompiledMethod> compiled;
  std::optional<std::string> recorder;  // the library that records its steps (`recorder.h`)
  bool read_ahead;                      // whether the system is to read the files at once
  bool visits;  // whether the weights stay on the host and visit the device in copies
};

struct HostTensor {
  Shape shape;
  std::variant<std::vector<float>, std::vector<int32_t>> data;  // int32 becomes int64 on the device
};

using Input = std::variant<TensorPtr, HostTensor, double>;

struct AdvanceRow {
  TensorPtr latents;                               // (1, C, H, W) float32
  std::vector<TensorPtr> condition;                // each (1, ...)
  std::optional<std::vector<TensorPtr>> negative;  // as condition
  double guidance_scale;
  TensorPtr modulation;  // (S, M)
  int64_t first_step;
  std::vector<float> coefficients;  // c0, c1, c2 of each step
  std::shared_ptr<Noise> noise;
  int64_t noise_row;
  TensorPtr clean;  // as latents: gets those that the last prediction means; null where nobody asks
  std::vector<float> clean_coefficients;  // of latents and prediction
};

struct AdvanceRequest {
  std::shared_ptr<Graph> graph;
  int64_t steps;
  std::vector<AdvanceRow> rows;
  Dtype rounding;  // what predictions and latents are rounded to
};

template <typename Element>
struct HostArray {
  Shape shape;
  std::shared_ptr<Element> data;  // keeps the memory that it points to alive
  int64_t size;
};

std::shared_ptr<Graph> Load(Workspace& workspace, const LoadRequest& request);
// Gives some of a loaded graph's parameters other values, all of them or none. What is private
// memory is written in place; when that fails, the former values are computed again. If even they
// cannot be, the graph refuses to run until `Rebind` has set them; with `or_refuse` so it does
// whenever this fails.
void Rebind(Workspace& workspace, Graph& graph, const std::vector<WeightBinding>& weights,
            bool or_refuse);
// Lets go of the pages of a graph's mapped weights, which come back when they are touched, or of
// their copies on the device; and of memory that is kept free.
void Release(Workspace& workspace, Graph& graph);
// Has the system read a graph's mapped weights, or the device copy them, without waiting for it.
void Prefetch(Workspace& workspace, Graph& graph);
// From now on a call of this graph holds about so many bytes of such weights, those that it used
// last, and reads as many ahead; 0 is no limit. What it computes stays the same.
void LimitWeights(Workspace& workspace, Graph& graph, int64_t window);
// Writes a graph's weights, as they are, into a new safetensors file.
void Save(Workspace& workspace, const Graph& graph, const std::string& path);
// Writes what kernels pack of a graph's weights, as they are, into a new safetensors file, block by
// block. Nothing of it stays in memory.
void SavePacked(Workspace& workspace, Graph& graph, const std::string& path);
// From now on kernels read that out of its file, which is mapped; but for blocks whose weights are
// changed (`Rebind`), until they are those again. Throws kWeightsFailed where anything is missing.
void KeepPacked(Workspace& workspace, Graph& graph, const std::vector<PackedTensor>& packed);
std::vector<TensorPtr> Run(Workspace& workspace, Graph& graph, const std::string& method,
                           const std::vector<Input>& inputs);
void Advance(Workspace& workspace, const AdvanceRequest& request);
TensorPtr DrawLatents(Workspace& workspace, Noise& noise, int64_t row, const Shape& shape);
TensorPtr Affine(Workspace& workspace, const Tensor& tensor, double scale, double shift);
TensorPtr Write(Workspace& workspace, const HostTensor& tensor);
HostArray<float> Read(Workspace& workspace, const Tensor& tensor);
// (H, W, 3)
HostArray<uint8_t> Decode(Workspace& workspace, Graph& graph, const Tensor& latents);
// From now on calls cut their work for so many threads, and one does it; 0 ends that. Returns what
// was found since the last time: for each region its tasks, its work, and microseconds of each.
// `runs`: whether tasks are done, or only counted, which leaves results without meaning.
HostArray<float> TraceTasks(Workspace& workspace, int64_t threads, bool runs);

// A tensor whose value is still to come: `FillRow`, run before anything that reads it, makes it a
// view. If that fails the value stays undefined, and whatever reads it fails.
TensorPtr DeclareRow(const Tensor& tensor);
void FillRow(Workspace& workspace, Tensor& row, const Tensor& tensor, int64_t index) noexcept;

struct Platform {
  std::string compiled;              // libtorch's version that this was compiled against
  std::string torch;                 // and the one that runs
  std::string capability;            // the vector instructions that libtorch chose
  std::vector<std::string> kernels;  // kinds of CPU with kernels that this one is, fastest first
  bool bfloat16;                     // whether the CPU multiplies these natively
  bool float16;
};
Platform DescribePlatform();

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_RUNTIME_H_
