// Weights out of safetensors files: mapped, checked against the file's real size, cast where they
// are stored otherwise. Belongs to the device's thread; a weight keeps its file mapped for as long
// as it lives.
#ifndef CPP_RUNTIME_WEIGHTS_H_
#define CPP_RUNTIME_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <compare>
#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "runtime/runtime.h"

namespace wuerstchen::runtime {

// A file, read-only and shared with every process that maps it. Writing to it is a crash: libtorch
// never does.
class Mapping {
 public:
  Mapping(const std::string& path, int descriptor, size_t size, bool read_ahead);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::byte* data_;
  size_t size_;
};

class WeightFiles {
 public:
  // Maps a file once for as long as somebody uses it; a file that was replaced is another file.
  std::shared_ptr<Mapping> Open(const std::string& path);
  // Whether a tensor lies in a mapped file.
  bool Cover(const at::Tensor& tensor) const;

  bool read_ahead = true;  // whether the system is to read what is newly mapped at once

 private:
  struct Identity {
    std::string path;
    uint64_t device, inode, size;
    int64_t seconds, nanoseconds;
    auto operator<=>(const Identity&) const = default;
  };
  std::map<Identity, std::weak_ptr<Mapping>> open_;
};

struct Weight {
  at::Tensor tensor;
  bool copied;  // whether it is private memory and not the mapped file
};

// The weight for `placeholder`: of its shape, in `dtype` if it holds floating numbers, on `device`.
Weight ReadWeight(WeightFiles& files, const WeightBinding& binding, const at::Tensor& placeholder,
                  at::ScalarType dtype, c10::Device device);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_WEIGHTS_H_
