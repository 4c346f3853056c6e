#include "runtime/recorder.h"

#include <stdexcept>

#include "platform/library.h"
#include "runtime/error.h"

namespace wuerstchen::runtime {
namespace {

[[noreturn]] void Refuse(const std::string& path, const std::string& reason) {
  throw Error(ErrorCode::kInvalidArgument, "Could not open the recorder " + path + ": " + reason);
}

}  // namespace

std::unique_ptr<Recorder> OpenRecorder(const std::string& path) {
  platform::Library library = nullptr;
  try {
    library = platform::OpenLibrary(path);
  } catch (const std::runtime_error& error) {
    Refuse(path, error.what());
  }
  const auto make = reinterpret_cast<MakeRecorder>(platform::SymbolOf(library, kMakeRecorder));
  if (make == nullptr) Refuse(path, std::string("it has no ") + kMakeRecorder);
  return std::unique_ptr<Recorder>(make());
}

}  // namespace wuerstchen::runtime
