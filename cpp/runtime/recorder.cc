#include "runtime/recorder.h"

#include <dlfcn.h>

#include "runtime/error.h"

namespace wuerstchen::runtime {
namespace {

[[noreturn]] void Refuse(const std::string& path, const std::string& reason) {
  throw Error(ErrorCode::kInvalidArgument, "Could not open the recorder " + path + ": " + reason);
}

}  // namespace

std::unique_ptr<Recorder> OpenRecorder(const std::string& path) {
  // Never closed: libtorch keeps pointers into whoever used it.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) Refuse(path, dlerror());
  const auto make = reinterpret_cast<MakeRecorder>(dlsym(library, kMakeRecorder));
  if (make == nullptr) Refuse(path, std::string("it has no ") + kMakeRecorder);
  return std::unique_ptr<Recorder>(make());
}

}  // namespace wuerstchen::runtime
