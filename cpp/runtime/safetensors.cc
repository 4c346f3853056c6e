#include "runtime/safetensors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <sstream>

#include "runtime/error.h"
#include "runtime/interruption.h"

namespace wuerstchen::runtime {
namespace {

// Tensors start at multiples of this in the file, so that they can be mapped where they lie.
constexpr size_t kAlignment = 64;

class NewFile {
 public:
  explicit NewFile(const std::string& path)
      : path_(path),
        descriptor_(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0) Fail();
  }
  ~NewFile() { close(descriptor_); }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void Write(const void* data, size_t size) {
    const auto* bytes = static_cast<const char*>(data);
    while (size > 0) {
      const auto written = write(descriptor_, bytes, size);
      if (written < 0 && errno != EINTR) Fail();
      if (written <= 0) continue;
      bytes += written;
      size -= static_cast<size_t>(written);
    }
  }

  void Sync() {
    if (fsync(descriptor_) != 0) Fail();
  }

 private:
  [[noreturn]] void Fail() const {
    throw Error(ErrorCode::kWeightsFailed,
                "Could not write " + path_ + ": " + std::strerror(errno));
  }

  const std::string path_;
  const int descriptor_;
};

std::string NameOf(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return "F64";
    case at::kFloat:
      return "F32";
    case at::kHalf:
      return "F16";
    case at::kBFloat16:
      return "BF16";
    case at::kLong:
      return "I64";
    case at::kInt:
      return "I32";
    default:
      throw Error(ErrorCode::kInternal, std::string("Cannot write ") + c10::toString(type));
  }
}

std::string Header(const std::vector<NamedTensor>& tensors) {
  std::ostringstream text;
  size_t offset = 0;
  const char* before = "{";
  for (const auto& [name, tensor] : tensors) {
    text << before << '"' << name << R"(":{"dtype":")" << NameOf(tensor.scalar_type())
         << R"(","shape":[)";
    for (int64_t axis = 0; axis < tensor.dim(); ++axis) {
      text << (axis > 0 ? "," : "") << tensor.size(axis);
    }
    text << R"(],"data_offsets":[)" << offset << ',' << offset + tensor.nbytes() << "]}";
    offset += tensor.nbytes();
    before = ",";
  }
  text << (tensors.empty() ? "{}" : "}");
  const size_t length = sizeof(uint64_t) + text.str().size();
  text << std::string((kAlignment - length % kAlignment) % kAlignment, ' ');
  return text.str();
}

}  // namespace

void WriteSafetensors(const std::string& path, const std::vector<NamedTensor>& tensors) {
  const auto header = Header(tensors);
  const uint64_t length = header.size();
  NewFile file(path);
  file.Write(&length, sizeof(length));
  file.Write(header.data(), header.size());
  for (const auto& [name, tensor] : tensors) {
    StopIfHalting();
    const auto bytes = tensor.cpu().contiguous();
    file.Write(bytes.const_data_ptr(), bytes.nbytes());
  }
  file.Sync();
}

}  // namespace wuerstchen::runtime
