#include "loader/libraries.h"

#include <cstdint>
#include <cstdlib>

#include "platform/library.h"

namespace wuerstchen::loader {
namespace {

constexpr char kSpinCount[] = "GOMP_SPINCOUNT";

}  // namespace

BriefSpinning::BriefSpinning()
    : set_(std::getenv(kSpinCount) == nullptr && std::getenv("OMP_WAIT_POLICY") == nullptr) {
  if (set_) platform::SetVariable(kSpinCount, "5000");
}

BriefSpinning::~BriefSpinning() {
  if (set_) platform::SetVariable(kSpinCount, nullptr);
}

std::vector<std::string> Mapped(const std::string& prefix) {
  std::vector<std::string> paths;
  for (const auto& path : platform::OpenLibraries()) {
    if (platform::FileName(path).starts_with(prefix)) paths.push_back(platform::AbsolutePath(path));
  }
  return paths;
}

std::optional<std::string> TorchVersion(const std::string& path) {
  const auto library = platform::FindLibrary(path);
  if (library == nullptr) return std::nullopt;
  using AbiVersion = uint64_t (*)();
  const auto abi_version =
      reinterpret_cast<AbiVersion>(platform::SymbolOf(library, "aoti_torch_abi_version"));
  const uint64_t version = abi_version != nullptr ? abi_version() : 0;
  if (version == 0) return std::nullopt;
  const auto part = [version](int shift) { return std::to_string((version >> shift) & 0xff); };
  return part(56) + "." + part(48) + "." + part(40);
}

}  // namespace wuerstchen::loader
