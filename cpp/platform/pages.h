// Memory in pages of the system: advice about those of mapped files, and private ones.
#ifndef CPP_PLATFORM_PAGES_H_
#define CPP_PLATFORM_PAGES_H_

#include <cstddef>
#include <cstdint>

namespace wuerstchen::platform {

uintptr_t PageSize();

// Both take whole pages. Advice is never wrong, only slower.
// Has the system read the pages from the disk, as far as it has not yet; returns at once.
void ReadAhead(void* begin, size_t bytes);
// Takes the pages of a mapped file out of this process. Touched again they come back.
void LetGo(void* begin, size_t bytes);

// Private memory of zeros, which takes addresses and hardly anything else until it is written.
// Null where there is none.
void* AllocatePages(size_t bytes);
void FreePages(void* begin, size_t bytes);

}  // namespace wuerstchen::platform

#endif  // CPP_PLATFORM_PAGES_H_
