// Writes safetensors files: what `WeightFiles` maps on the next start.
#ifndef CPP_RUNTIME_SAFETENSORS_H_
#define CPP_RUNTIME_SAFETENSORS_H_

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "platform/file.h"

namespace wuerstchen::runtime {

struct NamedTensor {
  std::string name;  // of letters, digits, dots, underscores and slashes
  at::Tensor tensor;
};

// A tensor that is to be in a file.
struct StoredEntry {
  std::string name;
  at::ScalarType type;
  std::vector<int64_t> shape;
};

// A new file, of which what is in it is known before the numbers are. Throws kWeightsFailed, for
// example when the disk is full; what was written stays, for the caller to remove.
class SafetensorsFile {
 public:
  SafetensorsFile(const std::string& path, const std::vector<StoredEntry>& entries);

  // The next bytes of the entries, one after the other.
  void Write(const void* data, size_t bytes);
  // All were written: the file is whole and on the disk when this returns.
  void Finish();

 private:
  platform::NewFile file_;
};

// A new file, whole and on the disk when this returns. Throws kWeightsFailed, for example when the
// disk is full; what was written stays, for the caller to remove.
void WriteSafetensors(const std::string& path, const std::vector<NamedTensor>& tensors);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_SAFETENSORS_H_
