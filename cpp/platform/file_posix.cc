#ifndef _WIN32
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "platform/file.h"

namespace wuerstchen::platform {
namespace {

[[noreturn]] void Fail(const char* what, const std::string& path) {
  throw FileError(std::string("Could not ") + what + " " + path + ": " + std::strerror(errno));
}

int DescriptorOf(intptr_t handle) {
  return static_cast<int>(handle);
}

class Closing {
 public:
  explicit Closing(int descriptor) : descriptor_(descriptor) {}
  ~Closing() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Closing(const Closing&) = delete;
  Closing& operator=(const Closing&) = delete;
  int Keep() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

}  // namespace

FileMapping::~FileMapping() {
  munmap(data_, size_);
}

OpenFile::OpenFile(const std::string& path) : path_(path), handle_(-1), identity_{} {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) Fail("map", path);
  Closing closing(descriptor);
  struct stat status = {};
  if (fstat(descriptor, &status) != 0) Fail("map", path);
  if (!S_ISREG(status.st_mode)) throw FileError("Expected " + path + " to be a file");
#ifdef __APPLE__
  const auto modified = status.st_mtimespec;
#else
  const auto modified = status.st_mtim;
#endif
  // The types of these differ from system to system.
  identity_ = {static_cast<uint64_t>(status.st_dev), static_cast<uint64_t>(status.st_ino),
               static_cast<uint64_t>(status.st_size), static_cast<int64_t>(modified.tv_sec),
               static_cast<int64_t>(modified.tv_nsec)};
  handle_ = closing.Keep();
}

OpenFile::~OpenFile() {
  close(DescriptorOf(handle_));
}

std::shared_ptr<FileMapping> OpenFile::Map() const {
  const size_t size = identity_.size;
  void* const address = mmap(nullptr, size, PROT_READ, MAP_SHARED, DescriptorOf(handle_), 0);
  if (address == MAP_FAILED) Fail("map", path_);
  return std::make_shared<FileMapping>(address, size);
}

NewFile::NewFile(const std::string& path)
    : path_(path), handle_(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) {
  if (handle_ < 0) Fail("write", path_);
}

NewFile::~NewFile() {
  close(DescriptorOf(handle_));
}

void NewFile::Write(const void* data, size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const auto written = write(DescriptorOf(handle_), bytes, size);
    if (written < 0 && errno != EINTR) Fail("write", path_);
    if (written <= 0) continue;
    bytes += written;
    size -= static_cast<size_t>(written);
  }
}

void NewFile::Sync() {
  if (fsync(DescriptorOf(handle_)) != 0) Fail("write", path_);
}

}  // namespace wuerstchen::platform
#endif  // _WIN32
