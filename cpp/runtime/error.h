// Errors with a code, and the one place where an exception of libtorch becomes one. Any thread.
#ifndef CPP_RUNTIME_ERROR_H_
#define CPP_RUNTIME_ERROR_H_

#include <stdexcept>
#include <string>

namespace wuerstchen::runtime {

enum class ErrorCode {
  kInvalidArgument,
  kGraphFailed,
  kWeightsFailed,
  kOutOfMemory,
  kDisposed,
  kInternal,
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

// The exception being handled, in a few words: call it inside a `catch` block.
Error CurrentError() noexcept;

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_ERROR_H_
