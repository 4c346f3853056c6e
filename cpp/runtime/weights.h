// Weights out of safetensors files: mapped, checked against the file's real size, cast where they
// are stored otherwise. Belongs to the device's thread; a weight keeps its file mapped for as long
// as it lives.
#ifndef CPP_RUNTIME_WEIGHTS_H_
#define CPP_RUNTIME_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "platform/file.h"
#include "runtime/runtime.h"

namespace wuerstchen::runtime {

class WeightFiles {
 public:
  // Maps a file once for as long as somebody uses it; a file that was replaced is another file.
  // Nobody writes to it: that would be a crash.
  std::shared_ptr<platform::FileMapping> Open(const std::string& path);
  // Some bytes of a file, mapped.
  at::Tensor Bytes(const std::string& name, const std::string& file, uint64_t offset,
                   uint64_t bytes);
  // Whether a tensor lies in a mapped file.
  bool Cover(const at::Tensor& tensor) const;

  bool read_ahead = true;  // whether the system is to read what is newly mapped at once

 private:
  std::map<std::pair<std::string, platform::FileIdentity>, std::weak_ptr<platform::FileMapping>>
      open_;
};

// What a weight is made of: found, mapped and checked. Nothing is computed or held for it yet.
class WeightSource {
 public:
  // For `placeholder`: of its shape, in `dtype` if that one holds floating numbers. Throws
  // kWeightsFailed for what cannot be a weight, changes of infinite size included.
  WeightSource(WeightFiles& files, const WeightBinding& binding, const at::Tensor& placeholder,
               at::ScalarType dtype);

  // Whether the stored numbers are the weight; then they are it, and nothing is left to compute.
  bool is_stored() const { return !computed_ && base_.scalar_type() == type_; }
  const at::Tensor& stored() const { return base_; }
  at::ScalarType type() const { return type_; }

  // Writes the weight into a contiguous tensor of the host, of its shape and type: in one pass over
  // the stored numbers, on all threads, a strip of rows at a time in float32.
  void Fill(const at::Tensor& target) const;
  // Lets go of the pages of the files that were read for it.
  void LetGo() const;

 private:
  struct Delta {
    at::Tensor up;    // (out, rank), as stored
    at::Tensor down;  // (rank, in)
    double scale;
  };
  void CheckDeltas(const std::string& name) const;

  at::Tensor base_;
  std::optional<at::Tensor> other_;
  double weight_ = 0;  // of `other_`
  std::vector<Delta> deltas_;
  bool computed_;
  at::ScalarType type_;
};

// The weight on `device`: the mapped file itself where it can be.
at::Tensor ReadWeight(const WeightSource& source, c10::Device device);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_WEIGHTS_H_
