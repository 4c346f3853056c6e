// One call of a graph, followed from weight to weight, so that only those at work are held. Belongs
// to the device's thread.
#ifndef CPP_RUNTIME_WALK_H_
#define CPP_RUNTIME_WALK_H_

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace wuerstchen::runtime {

// Some weights of a graph, in the graph's order, that can be held or not.
class Places {
 public:
  virtual ~Places() = default;

  // Makes a start at getting one, without waiting for it.
  virtual void Bring(size_t index) = 0;
  virtual void LetGo(size_t index) = 0;
  virtual void LetGoOfAll() = 0;
  // What to compute with, brought now if it was not.
  virtual at::Tensor Get(size_t index) = 0;

  // Whether operators read the weights themselves, so that one has to listen to know which.
  virtual bool in_place() const = 0;

  void BringAll();
  size_t size() const { return weights_.size(); }
  int64_t bytes(size_t index) const { return static_cast<int64_t>(weights_[index].nbytes()); }
  // Which of them a tensor is.
  std::optional<size_t> Find(const at::Tensor& tensor) const;

 protected:
  void Add(const at::Tensor& weight);

  std::vector<at::Tensor> weights_;
  std::map<uintptr_t, size_t> by_begin_;

 private:
  friend class Walk;
  // In which order each method used them when it last ran.
  std::map<std::string, std::vector<size_t>> trails_;
};

// One call, for as long as it lives: the weights that were used last stay, up to `window` bytes, as
// many are brought ahead, and at the end all go. With a window of 0 they come when they are used,
// and stay.
class Walk {
 public:
  Walk(Places& places, std::string method, int64_t window);
  ~Walk();
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  // What to compute with in this weight's place, which may be itself. Operators of libtorch that
  // read one in place are seen anyway; this is for all other code. Does nothing where no walk is
  // under way.
  static at::Tensor Use(const at::Tensor& weight);

 private:
  void Reach(size_t index);
  void LetGo();
  void BringAhead(size_t index);

  Places& places_;
  const std::string method_;
  const int64_t window_;
  std::vector<size_t> order_;     // expected
  std::vector<size_t> position_;  // in it, by weight
  std::vector<size_t> trail_;     // seen
  std::vector<bool> seen_;
  std::deque<size_t> held_;  // used longest ago first
  int64_t held_bytes_ = 0;
  size_t ahead_ = 0;  // how far in `order_` was brought
  const c10::DebugInfoGuard guard_;
  const std::optional<at::CallbackHandle> callback_;
};

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_WALK_H_
