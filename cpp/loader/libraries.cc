#include "loader/libraries.h"

#include <dlfcn.h>

#ifdef __APPLE__
#include <mach-o/dyld.h>
#else
#include <link.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace wuerstchen::loader {
namespace {

constexpr char kSpinCount[] = "GOMP_SPINCOUNT";

std::vector<std::string> AllMapped() {
  std::vector<std::string> paths;
#ifdef __APPLE__
  for (uint32_t index = 0; index < _dyld_image_count(); ++index) {
    if (const char* name = _dyld_get_image_name(index)) paths.emplace_back(name);
  }
#else
  const auto collect = [](dl_phdr_info* info, size_t, void* data) {
    if (info->dlpi_name != nullptr) {
      static_cast<std::vector<std::string>*>(data)->emplace_back(info->dlpi_name);
    }
    return 0;
  };
  dl_iterate_phdr(collect, &paths);
#endif
  return paths;
}

}  // namespace

BriefSpinning::BriefSpinning()
    : set_(getenv(kSpinCount) == nullptr && getenv("OMP_WAIT_POLICY") == nullptr) {
  if (set_) setenv(kSpinCount, "5000", 1);
}

BriefSpinning::~BriefSpinning() {
  if (set_) unsetenv(kSpinCount);
}

void Open(const std::string& path) {
  // RTLD_LOCAL: libtorch's BLAS symbols must not take the place of anybody else's, or be taken.
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) != nullptr) return;
  const char* reason = dlerror();
  throw std::runtime_error(reason != nullptr ? reason : "Could not open " + path);
}

std::vector<std::string> Mapped(const std::string& prefix) {
  std::vector<std::string> paths;
  for (const auto& path : AllMapped()) {
    if (!path.substr(path.rfind('/') + 1).starts_with(prefix)) continue;
    // Not of std::filesystem, which the oldest C++ library that we support lacks.
    const std::unique_ptr<char, decltype(&std::free)> absolute(realpath(path.c_str(), nullptr),
                                                               std::free);
    paths.push_back(absolute == nullptr ? path : absolute.get());
  }
  return paths;
}

std::optional<std::string> TorchVersion(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (library == nullptr) return std::nullopt;
  using AbiVersion = uint64_t (*)();
  const auto abi_version = reinterpret_cast<AbiVersion>(dlsym(library, "aoti_torch_abi_version"));
  const uint64_t version = abi_version != nullptr ? abi_version() : 0;
  dlclose(library);  // gives back what RTLD_NOLOAD counted; `Open` still holds the library
  if (version == 0) return std::nullopt;
  const auto part = [version](int shift) { return std::to_string((version >> shift) & 0xff); };
  return part(56) + "." + part(48) + "." + part(40);
}

}  // namespace wuerstchen::loader
