#include "runtime/safetensors.h"

#include <cstdint>
#include <sstream>

#include "platform/file.h"
#include "runtime/error.h"
#include "runtime/interruption.h"

namespace wuerstchen::runtime {
namespace {

// Tensors start at multiples of this in the file, so that they can be mapped where they lie.
constexpr size_t kAlignment = 64;

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

void WriteSafetensors(const std::string& path, const std::vector<NamedTensor>& tensors) try {
  const auto header = Header(tensors);
  const uint64_t length = header.size();
  platform::NewFile file(path);
  file.Write(&length, sizeof(length));
  file.Write(header.data(), header.size());
  for (const auto& [name, tensor] : tensors) {
    StopIfHalting();
    const auto bytes = tensor.cpu().contiguous();
    file.Write(bytes.const_data_ptr(), bytes.nbytes());
  }
  file.Sync();
} catch (const platform::FileError& error) {
  throw Error(ErrorCode::kWeightsFailed, error.what());
}

}  // namespace wuerstchen::runtime
