// The shared libraries of this process. Paths are UTF-8 and absolute. Plain functions without
// state; they may be called from any thread.
#ifndef CPP_PLATFORM_LIBRARY_H_
#define CPP_PLATFORM_LIBRARY_H_

#include <string>
#include <vector>

namespace wuerstchen::platform {

using Library = void*;

bool IsAbsolute(const std::string& path);

// Opens a library for the life of the process; its names are seen by nobody who does not ask for
// them, where the system can tell. Throws std::runtime_error with the system's words.
Library OpenLibrary(const std::string& path);

// One that is open already, or null. It stays whoever's it is.
Library FindLibrary(const std::string& path);

// The address of what a library calls `name`, or null.
void* SymbolOf(Library library, const char* name);

// The paths of all libraries that are open, as they were opened.
std::vector<std::string> OpenLibraries();

// Without links; what is no file stays as it is.
std::string AbsolutePath(const std::string& path);

// The part of a path behind its last separator.
std::string FileName(const std::string& path);

// What child processes and libraries see; null removes it.
void SetVariable(const char* name, const char* value);

}  // namespace wuerstchen::platform

#endif  // CPP_PLATFORM_LIBRARY_H_
