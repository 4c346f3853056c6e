#ifndef _WIN32
#include <sys/mman.h>
#include <unistd.h>

#include "platform/pages.h"

namespace wuerstchen::platform {

uintptr_t PageSize() {
  return static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
}

void ReadAhead(void* begin, size_t bytes) {
  madvise(begin, bytes, MADV_WILLNEED);
}

void LetGo(void* begin, size_t bytes) {
  madvise(begin, bytes, MADV_DONTNEED);
}

void* AllocatePages(size_t bytes) {
  void* const address =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return address == MAP_FAILED ? nullptr : address;
}

void FreePages(void* begin, size_t bytes) {
  munmap(begin, bytes);
}

}  // namespace wuerstchen::platform
#endif  // _WIN32
