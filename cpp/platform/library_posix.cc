#ifndef _WIN32
#include <dlfcn.h>

#include "platform/library.h"
#ifdef __APPLE__
#include <mach-o/dyld.h>
#else
#include <link.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace wuerstchen::platform {
std::vector<std::string> OpenLibraries() {
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

bool IsAbsolute(const std::string& path) {
  return path.starts_with('/');
}

Library OpenLibrary(const std::string& path) {
  // RTLD_LOCAL: libtorch's BLAS symbols must not take the place of anybody else's, or be taken.
  Library library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library != nullptr) return library;
  const char* reason = dlerror();
  throw std::runtime_error(reason != nullptr ? reason : "Could not open " + path);
}

Library FindLibrary(const std::string& path) {
  Library library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (library != nullptr) dlclose(library);  // gives back what RTLD_NOLOAD counted
  return library;
}

void* SymbolOf(Library library, const char* name) {
  return dlsym(library, name);
}

std::string AbsolutePath(const std::string& path) {
  // Not of std::filesystem, which the oldest C++ library that we support lacks.
  const std::unique_ptr<char, void (*)(void*)> absolute(realpath(path.c_str(), nullptr), std::free);
  return absolute == nullptr ? path : absolute.get();
}

std::string FileName(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

void SetVariable(const char* name, const char* value) {
  if (value == nullptr) {
    unsetenv(name);
  } else {
    setenv(name, value, 1);
  }
}

}  // namespace wuerstchen::platform
#endif  // _WIN32
