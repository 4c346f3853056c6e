#ifdef _WIN32
#include "platform/pages.h"
#include "platform/windows.h"

namespace wuerstchen::platform {

uintptr_t PageSize() {
  SYSTEM_INFO system;
  GetSystemInfo(&system);
  return system.dwPageSize;
}

void ReadAhead(void* begin, size_t bytes) {
  WIN32_MEMORY_RANGE_ENTRY range{begin, bytes};
  PrefetchVirtualMemory(GetCurrentProcess(), 1, &range, 0);
}

void LetGo(void* begin, size_t bytes) {
  // Of pages that are not locked this is documented to take them out of the working set, and to
  // fail then.
  VirtualUnlock(begin, bytes);
}

void* AllocatePages(size_t bytes) {
  return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void FreePages(void* begin, size_t) {
  VirtualFree(begin, 0, MEM_RELEASE);
}

}  // namespace wuerstchen::platform
#endif  // _WIN32
