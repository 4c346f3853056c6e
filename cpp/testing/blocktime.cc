// Stands in for the OpenMP of LLVM or Intel: says what it is asked. Loaded with LD_PRELOAD.
#include <cstdio>

extern "C" __attribute__((visibility("default"))) void kmp_set_blocktime(int milliseconds) {
  std::fprintf(stderr, "kmp_set_blocktime %d\n", milliseconds);
}
