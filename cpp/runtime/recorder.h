// What records the work that a device is given, to repeat it by one launch. It comes from a library
// of its own: the one for CUDA (`cpp/cuda`) is compiled with CUDA's headers, which all else here
// does without.
#ifndef CPP_RUNTIME_RECORDER_H_
#define CPP_RUNTIME_RECORDER_H_

#include <functional>
#include <memory>
#include <string>

namespace wuerstchen::runtime {

class Recorder {
 public:
  // Recorded work. It reads and writes the memory that it was recorded with.
  class Tape {
   public:
    virtual ~Tape() = default;
    virtual void Replay() = 0;
  };

  virtual ~Recorder() = default;
  // Records what `work` asks of the device, without doing it. Throws what `work` throws, and where
  // something in it cannot be recorded. Tapes of one recorder share memory for what is gone when
  // their work ends: one plays at a time, and what it leaves is read before the next one plays.
  virtual std::unique_ptr<Tape> Record(std::function<void()> work) = 0;
};

// What such a library exports, under this name: a recorder for the current device.
using MakeRecorder = Recorder* (*)();
constexpr char kMakeRecorder[] = "wuerstchen_make_recorder";

// Throws kInvalidArgument if the library at `path` cannot be opened, or is none of these.
std::unique_ptr<Recorder> OpenRecorder(const std::string& path);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_RECORDER_H_
