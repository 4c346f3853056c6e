#include "runtime/safetensors.h"

#include <cstdint>
#include <sstream>

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
    case at::kByte:
      return "U8";
    default:
      throw Error(ErrorCode::kInternal, std::string("Cannot write ") + c10::toString(type));
  }
}

std::string Header(const std::vector<StoredEntry>& entries) {
  std::ostringstream text;
  size_t offset = 0;
  const char* before = "{";
  for (const auto& [name, type, shape] : entries) {
    size_t bytes = c10::elementSize(type);
    text << before << '"' << name << R"(":{"dtype":")" << NameOf(type) << R"(","shape":[)";
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      text << (axis > 0 ? "," : "") << shape[axis];
      bytes *= static_cast<size_t>(shape[axis]);
    }
    text << R"(],"data_offsets":[)" << offset << ',' << offset + bytes << "]}";
    offset += bytes;
    before = ",";
  }
  text << (entries.empty() ? "{}" : "}");
  const size_t length = sizeof(uint64_t) + text.str().size();
  text << std::string((kAlignment - length % kAlignment) % kAlignment, ' ');
  return text.str();
}

// What `write` does, with a file's errors as the runtime's.
template <typename Action>
auto Telling(Action action) try {
  return action();
} catch (const platform::FileError& error) {
  throw Error(ErrorCode::kWeightsFailed, error.what());
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path, const std::vector<StoredEntry>& entries)
    : file_(Telling([&] { return platform::NewFile(path); })) {
  const auto header = Header(entries);
  const uint64_t length = header.size();
  Write(&length, sizeof(length));
  Write(header.data(), header.size());
}

void SafetensorsFile::Write(const void* data, size_t bytes) {
  Telling([&] { file_.Write(data, bytes); });
}

void SafetensorsFile::Finish() {
  Telling([&] { file_.Sync(); });
}

void WriteSafetensors(const std::string& path, const std::vector<NamedTensor>& tensors) {
  std::vector<StoredEntry> entries;
  for (const auto& [name, tensor] : tensors)
    entries.push_back({name, tensor.scalar_type(), tensor.sizes().vec()});
  SafetensorsFile file(path, entries);
  for (const auto& [name, tensor] : tensors) {
    StopIfHalting();
    const auto bytes = tensor.cpu().contiguous();
    file.Write(bytes.const_data_ptr(), bytes.nbytes());
  }
  file.Finish();
}

}  // namespace wuerstchen::runtime
