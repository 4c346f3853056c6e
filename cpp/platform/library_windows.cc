#ifdef _WIN32
#include <cstdlib>
#include <stdexcept>

#include "platform/library.h"
#include "platform/windows.h"

namespace wuerstchen::platform {
namespace {

bool IsSeparator(char character) {
  return character == '/' || character == '\\';
}

std::wstring PathOf(HMODULE module) {
  // As long as Windows' longest path. Cut short, it would end without a zero.
  std::wstring path(32768, L'\0');
  path.resize(GetModuleFileNameW(module, path.data(), static_cast<DWORD>(path.size())));
  return path;
}

}  // namespace

bool IsAbsolute(const std::string& path) {
  const bool drive = path.size() > 2 && path[1] == ':' && IsSeparator(path[2]);
  const bool network = path.size() > 1 && IsSeparator(path[0]) && IsSeparator(path[1]);
  return drive || network;
}

Library OpenLibrary(const std::string& path) {
  // What it needs is searched beside it, then where the process allows; never in PATH.
  const auto wide = WideOf(path);
  const HMODULE module = LoadLibraryExW(
      wide.c_str(), nullptr, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
  if (module == nullptr) {
    throw std::runtime_error("Could not open " + path + ": " + ReasonOf(GetLastError()));
  }
  // Never unloaded: libtorch keeps pointers into whoever used it.
  HMODULE pinned = nullptr;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN, wide.c_str(), &pinned);
  return module;
}

Library FindLibrary(const std::string& path) {
  HMODULE module = nullptr;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, WideOf(path).c_str(), &module);
  return module;
}

void* SymbolOf(Library library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}

std::vector<std::string> OpenLibraries() {
  std::vector<HMODULE> modules(256);
  for (;;) {
    const auto bytes = static_cast<DWORD>(modules.size() * sizeof(HMODULE));
    DWORD needed = 0;
    if (EnumProcessModules(GetCurrentProcess(), modules.data(), bytes, &needed) == 0) return {};
    const bool all = needed <= bytes;
    modules.resize(needed / sizeof(HMODULE));
    if (all) break;
  }
  std::vector<std::string> paths;
  for (const HMODULE module : modules) paths.push_back(Utf8Of(PathOf(module)));
  return paths;
}

std::string AbsolutePath(const std::string& path) {
  return path;  // those of libraries are
}

std::string FileName(const std::string& path) {
  return path.substr(path.find_last_of("/\\") + 1);
}

void SetVariable(const char* name, const char* value) {
  _putenv_s(name, value == nullptr ? "" : value);  // '' removes it
}

}  // namespace wuerstchen::platform
#endif  // _WIN32
