#include "runtime/recordings.h"

#include <c10/util/intrusive_ptr.h>

#include <algorithm>
#include <utility>

#include "runtime/error.h"

namespace wuerstchen::runtime {
namespace {

// A server's mix of sizes and batches comes back to a handful of shapes.
constexpr size_t kMaxRecordings = 16;
constexpr size_t kMaxSeen = 1024;

void Append(std::vector<int64_t>& shapes, const at::Tensor& tensor) {
  shapes.push_back(tensor.dim());
  shapes.insert(shapes.end(), tensor.sizes().begin(), tensor.sizes().end());
}

std::vector<int64_t> ShapesOf(const std::vector<c10::IValue>& inputs) {
  std::vector<int64_t> shapes;
  for (const auto& input : inputs) {
    if (input.isTensor()) {
      Append(shapes, input.toTensor());
    } else {
      const auto tensors = input.toTensorVector();
      shapes.push_back(static_cast<int64_t>(tensors.size()));
      for (const auto& tensor : tensors) Append(shapes, tensor);
    }
  }
  return shapes;
}

// A tensor at a place of its own, which takes on the values of others.
class Place {
 public:
  explicit Place(const at::Tensor& source) : tensor_(source.clone()) {}

  const at::Tensor& tensor() const { return tensor_; }
  void Set(const at::Tensor& source) { tensor_.copy_(source); }
  // Not again while that very tensor is the one that was copied last.
  void SetOnce(const at::Tensor& source) {
    if (last_.lock() == source.getIntrusivePtr()) return;
    Set(source);
    last_ = Weak(source.getIntrusivePtr());
  }

 private:
  using Weak = c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>;

  at::Tensor tensor_;
  Weak last_{c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>()};
};

// The same for an input: one tensor, or a list of them.
class Seat {
 public:
  explicit Seat(const c10::IValue& input) : list_(!input.isTensor()) {
    if (list_) {
      for (const auto& tensor : input.toTensorVector()) places_.emplace_back(tensor);
    } else {
      places_.emplace_back(input.toTensor());
    }
  }

  c10::IValue value() const {
    if (!list_) return places_.front().tensor();
    std::vector<at::Tensor> tensors;
    for (const auto& place : places_) tensors.push_back(place.tensor());
    return tensors;
  }

  void Set(const c10::IValue& input) {
    if (!list_) return places_.front().Set(input.toTensor());
    const auto tensors = input.toTensorVector();
    for (size_t index = 0; index < places_.size(); ++index) {
      places_[index].SetOnce(tensors[index]);
    }
  }

 private:
  const bool list_;
  std::vector<Place> places_;
};

}  // namespace

struct Recordings::Recording {
  Shapes shapes;
  std::vector<Seat> seats;
  at::Tensor output;
  std::unique_ptr<Recorder::Tape> tape;  // destroyed first: it writes into the others

  std::vector<c10::IValue> values() const {
    std::vector<c10::IValue> values;
    for (const auto& seat : seats) values.push_back(seat.value());
    return values;
  }
};

Recordings::Recordings(std::unique_ptr<Recorder> recorder, Step step)
    : recorder_(std::move(recorder)), step_(std::move(step)) {}

Recordings::~Recordings() = default;

std::optional<Executor::Results> Recordings::Run(const MethodCall& call) {
  // Weights that come and go are not where they were.
  if (call.method != kStep || call.walks) return std::nullopt;
  return Results{RunStep(call.inputs)};
}

at::Tensor Recordings::RunStep(const std::vector<c10::IValue>& inputs) {
  const auto shapes = ShapesOf(inputs);
  auto* recording = Find(shapes);
  if (recording == nullptr) recording = Record(shapes, inputs);
  if (recording == nullptr) return step_(inputs);
  for (size_t index = 0; index < inputs.size(); ++index) {
    recording->seats[index].Set(inputs[index]);
  }
  recording->tape->Replay();
  const std::lock_guard lock(mutex_);
  ++report_.replayed;
  return recording->output.clone();
}

void Recordings::Clear() {
  recordings_.clear();
}

StepRecordings Recordings::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

Recordings::Recording* Recordings::Find(const Shapes& shapes) {
  const auto found =
      std::find_if(recordings_.begin(), recordings_.end(),
                   [&shapes](const auto& recording) { return recording->shapes == shapes; });
  if (found == recordings_.end()) return nullptr;
  recordings_.splice(recordings_.begin(), recordings_, found);
  return found->get();
}

// Null for a shape that was not seen before, and where nothing can be recorded.
Recordings::Recording* Recordings::Record(const Shapes& shapes,
                                          const std::vector<c10::IValue>& inputs) {
  if (!report_.refused.empty()) return nullptr;
  if (seen_.size() >= kMaxSeen) seen_.clear();
  if (seen_.insert(shapes).second) return nullptr;
  if (recordings_.size() >= kMaxRecordings) recordings_.pop_back();
  auto made = std::make_unique<Recording>();
  made->shapes = shapes;
  for (const auto& input : inputs) made->seats.emplace_back(input);
  try {
    made->tape = recorder_->Record(
        [this, recording = made.get()] { recording->output = step_(recording->values()); });
  } catch (...) {
    Refuse(CurrentError().what());
    return nullptr;
  }
  recordings_.push_front(std::move(made));
  const std::lock_guard lock(mutex_);
  ++report_.recorded;
  return recordings_.front().get();
}

void Recordings::Refuse(const std::string& reason) {
  Clear();  // their memory may be what was missing
  const std::lock_guard lock(mutex_);
  report_.refused = reason;
}

}  // namespace wuerstchen::runtime
