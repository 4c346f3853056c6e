// What newer headers ask of the system's libraries and the oldest that we support lack: a copy of
// its own for each addon of a release, as the C library's own `libc_nonshared.a`. Nothing of it is
// seen from outside.
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#include <cerrno>
#include <cstdint>
#include <new>
#include <stdexcept>

#define HIDDEN __attribute__((visibility("hidden"), used))

extern "C" {

// glibc 2.32. Whether no second thread was ever started: a no costs an atomic instruction, where a
// yes that is wrong is a race.
HIDDEN char __libc_single_threaded = 0;

// glibc 2.33; before, `fstat` was a function of the headers around this one.
#if defined(__x86_64__)
constexpr int kStatVersion = 1;
#else
constexpr int kStatVersion = 0;
#endif
int __fxstat(int version, int descriptor, struct stat* status);

HIDDEN int fstat(int descriptor, struct stat* status) {
  return __fxstat(kStatVersion, descriptor, status);
}

// glibc 2.30: a wait by a clock of one's choice. The condition's own clock is the real time's, so
// what is left is counted from its now; a clock that is set meanwhile changes the wait, and who
// waits looks at his own clock after.
HIDDEN int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                  clockid_t clock, const struct timespec* until) {
  constexpr int64_t kSecond = 1'000'000'000;
  timespec now{}, real{};
  if (clock_gettime(clock, &now) != 0) return EINVAL;
  if (clock_gettime(CLOCK_REALTIME, &real) != 0) return EINVAL;
  timespec end{real.tv_sec + until->tv_sec - now.tv_sec,
               real.tv_nsec + until->tv_nsec - now.tv_nsec};
  if (end.tv_nsec < 0) {
    end.tv_nsec += kSecond;
    end.tv_sec -= 1;
  } else if (end.tv_nsec >= kSecond) {
    end.tv_nsec -= kSecond;
    end.tv_sec += 1;
  }
  return pthread_cond_timedwait(condition, mutex, &end);
}

// GCC 9: an error is moved. To copy it does the same, as its text is shared.
HIDDEN void move_runtime_error(std::runtime_error* to,
                               std::runtime_error&& from) __asm__("_ZNSt13runtime_errorC2EOS_");
void move_runtime_error(std::runtime_error* to, std::runtime_error&& from) {
  new (to) std::runtime_error(static_cast<const std::runtime_error&>(from));
}

HIDDEN std::runtime_error* assign_runtime_error(
    std::runtime_error* to, std::runtime_error&& from) __asm__("_ZNSt13runtime_erroraSEOS_");
std::runtime_error* assign_runtime_error(std::runtime_error* to, std::runtime_error&& from) {
  *to = static_cast<const std::runtime_error&>(from);
  return to;
}

}  // extern "C"
