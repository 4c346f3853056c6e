#include "runtime/error.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <string_view>

namespace wuerstchen::runtime {
namespace {

constexpr std::string_view kInterpreterPreface =
    "The following operation failed in the TorchScript interpreter.";

constexpr size_t kMaxReason = 300;

// An allocation that fails inside the interpreter, or in the CPU allocator, keeps only its text.
bool IsOutOfMemory(std::string_view text) {
  constexpr std::array<std::string_view, 4> kPhrases = {
      "can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc"};
  return std::any_of(kPhrases.begin(), kPhrases.end(), [text](std::string_view phrase) {
    return text.find(phrase) != std::string_view::npos;
  });
}

// The interpreter puts a traceback before the reason; everything else puts one after it.
std::string Reason(std::string_view text) {
  constexpr std::string_view kMark = "RuntimeError: ";
  if (text.starts_with(kInterpreterPreface)) {
    const auto mark = text.rfind(kMark);
    if (mark != std::string_view::npos) {
      text.remove_prefix(mark + kMark.size());
    } else {
      text = text.substr(0, text.find_last_not_of('\n') + 1);
      text.remove_prefix(text.rfind('\n') + 1);
    }
  }
  // The allocator's own words come after the line of its source.
  if (const auto mark = text.find("DefaultCPUAllocator: "); mark != std::string_view::npos) {
    text.remove_prefix(mark);
  }
  // A complaint about a script starts with an empty line.
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(" \n")));
  return std::string(text.substr(0, std::min(text.find('\n'), kMaxReason)));
}

Error TorchError(std::string_view text, ErrorCode otherwise) {
  return Error(IsOutOfMemory(text) ? ErrorCode::kOutOfMemory : otherwise, Reason(text));
}

}  // namespace

namespace {

Error Describe() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const c10::OutOfMemoryError& error) {
    return Error(ErrorCode::kOutOfMemory, Reason(error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    return TorchError(error.what_without_backtrace(), ErrorCode::kGraphFailed);
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kOutOfMemory, "Not enough memory");
  } catch (const std::exception& error) {
    const std::string_view text = error.what();
    const bool interpreter = text.starts_with(kInterpreterPreface);
    return TorchError(text, interpreter ? ErrorCode::kGraphFailed : ErrorCode::kInternal);
  } catch (...) {
    return Error(ErrorCode::kInternal, "Unknown error. This is a bug.");
  }
}

// Made beforehand, as there may be no memory for it then. Copies share its text.
const Error kOutOfWords(ErrorCode::kOutOfMemory, "Not enough memory");

}  // namespace

Error CurrentError() noexcept {
  try {
    return Describe();
  } catch (...) {
    return kOutOfWords;
  }
}

}  // namespace wuerstchen::runtime
