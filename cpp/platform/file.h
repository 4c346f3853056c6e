// Files: mapped for reading, and new ones for writing. Paths are UTF-8. What fails throws
// FileError with the path and the system's words.
#ifndef CPP_PLATFORM_FILE_H_
#define CPP_PLATFORM_FILE_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace wuerstchen::platform {

class FileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The same for two paths exactly if they are one file, unchanged.
struct FileIdentity {
  uint64_t device, index, size;
  int64_t seconds, nanoseconds;  // of its last change
  auto operator<=>(const FileIdentity&) const = default;
};

// A whole file, read-only and shared with whoever maps it, too. Belongs to no thread.
class FileMapping {
 public:
  FileMapping(void* data, size_t size) : data_(static_cast<std::byte*>(data)), size_(size) {}
  ~FileMapping();
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::byte* data_;
  size_t size_;
};

// A file that is open for reading; directories and pipes are refused.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path);
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  const FileIdentity& identity() const { return identity_; }
  // Of a file that is not empty. The mapping outlives the open file.
  std::shared_ptr<FileMapping> Map() const;

 private:
  std::string path_;
  intptr_t handle_;
  FileIdentity identity_;
};

// A file that must not be there before.
class NewFile {
 public:
  explicit NewFile(const std::string& path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void Write(const void* data, size_t size);
  // Returns once the disk has all of it.
  void Sync();

 private:
  std::string path_;
  intptr_t handle_;
};

}  // namespace wuerstchen::platform

#endif  // CPP_PLATFORM_FILE_H_
