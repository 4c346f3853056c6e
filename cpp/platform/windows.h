// What the Windows halves share.
#ifndef CPP_PLATFORM_WINDOWS_H_
#define CPP_PLATFORM_WINDOWS_H_
#ifdef _WIN32

#ifndef NOMINMAX
#define NOMINMAX
#endif
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
// clang-format off: in this order.
#include <windows.h>
#include <psapi.h>
// clang-format on

#include <string>

namespace wuerstchen::platform {

std::wstring WideOf(const std::string& utf8);
std::string Utf8Of(const std::wstring& wide);

// The system's words for one of its errors, and the error's number.
std::string ReasonOf(DWORD error);

}  // namespace wuerstchen::platform

#endif  // _WIN32
#endif  // CPP_PLATFORM_WINDOWS_H_
