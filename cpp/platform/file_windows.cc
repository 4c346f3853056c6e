#ifdef _WIN32
#include <algorithm>

#include "platform/file.h"
#include "platform/windows.h"

namespace wuerstchen::platform {
namespace {

[[noreturn]] void Fail(const char* what, const std::string& path) {
  throw FileError(std::string("Could not ") + what + " " + path + ": " + ReasonOf(GetLastError()));
}

HANDLE HandleOf(intptr_t handle) {
  return reinterpret_cast<HANDLE>(handle);
}

uint64_t Joined(DWORD high, DWORD low) {
  return static_cast<uint64_t>(high) << 32 | low;
}

// Closes a handle unless it is kept.
class Closing {
 public:
  explicit Closing(HANDLE handle) : handle_(handle) {}
  ~Closing() {
    if (handle_ != nullptr) CloseHandle(handle_);
  }
  Closing(const Closing&) = delete;
  Closing& operator=(const Closing&) = delete;
  intptr_t Keep() {
    const auto kept = reinterpret_cast<intptr_t>(handle_);
    handle_ = nullptr;
    return kept;
  }

 private:
  HANDLE handle_;
};

}  // namespace

FileMapping::~FileMapping() {
  UnmapViewOfFile(data_);
}

OpenFile::OpenFile(const std::string& path) : path_(path), handle_(-1), identity_{} {
  // Others may replace or remove it meanwhile, as on other systems.
  const HANDLE handle =
      CreateFileW(WideOf(path).c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr,
                  OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL | FILE_FLAG_BACKUP_SEMANTICS, nullptr);
  if (handle == INVALID_HANDLE_VALUE) Fail("map", path);
  Closing closing(handle);
  BY_HANDLE_FILE_INFORMATION found = {};
  if (GetFileInformationByHandle(handle, &found) == 0) Fail("map", path);
  if ((found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
    throw FileError("Expected " + path + " to be a file");
  }
  // In units of 100 ns.
  const uint64_t changed =
      Joined(found.ftLastWriteTime.dwHighDateTime, found.ftLastWriteTime.dwLowDateTime);
  constexpr uint64_t kSecond = 10'000'000;
  identity_ = {found.dwVolumeSerialNumber, Joined(found.nFileIndexHigh, found.nFileIndexLow),
               Joined(found.nFileSizeHigh, found.nFileSizeLow),
               static_cast<int64_t>(changed / kSecond),
               static_cast<int64_t>(changed % kSecond * 100)};
  handle_ = closing.Keep();
}

OpenFile::~OpenFile() {
  CloseHandle(HandleOf(handle_));
}

std::shared_ptr<FileMapping> OpenFile::Map() const {
  const HANDLE section =
      CreateFileMappingW(HandleOf(handle_), nullptr, PAGE_READONLY, 0, 0, nullptr);
  if (section == nullptr) Fail("map", path_);
  const Closing closing(section);  // the view keeps it alive
  void* const address = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
  if (address == nullptr) Fail("map", path_);
  return std::make_shared<FileMapping>(address, static_cast<size_t>(identity_.size));
}

NewFile::NewFile(const std::string& path) : path_(path), handle_(-1) {
  const HANDLE handle = CreateFileW(WideOf(path).c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW,
                                    FILE_ATTRIBUTE_NORMAL, nullptr);
  if (handle == INVALID_HANDLE_VALUE) Fail("write", path_);
  handle_ = reinterpret_cast<intptr_t>(handle);
}

NewFile::~NewFile() {
  CloseHandle(HandleOf(handle_));
}

void NewFile::Write(const void* data, size_t size) {
  constexpr size_t kMost = size_t{1} << 30;  // what one call is asked for
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    DWORD written = 0;
    const auto asked = static_cast<DWORD>(std::min(size, kMost));
    if (WriteFile(HandleOf(handle_), bytes, asked, &written, nullptr) == 0) Fail("write", path_);
    bytes += written;
    size -= written;
  }
}

void NewFile::Sync() {
  if (FlushFileBuffers(HandleOf(handle_)) == 0) Fail("write", path_);
}

}  // namespace wuerstchen::platform
#endif  // _WIN32
