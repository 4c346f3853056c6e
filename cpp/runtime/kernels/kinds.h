// Which kinds of CPU there are kernels for.
#ifndef CPP_RUNTIME_KERNELS_KINDS_H_
#define CPP_RUNTIME_KERNELS_KINDS_H_

#include <string>
#include <vector>

#include "runtime/kernels/kernels.h"

namespace wuerstchen::runtime::kernels {

// The names of those that this CPU is, the fastest first.
std::vector<std::string> Kinds();
// The kernels for one of them; null where this CPU is not of that kind.
const Kernels* Find(const std::string& kind, Number number);

}  // namespace wuerstchen::runtime::kernels

#endif  // CPP_RUNTIME_KERNELS_KINDS_H_
