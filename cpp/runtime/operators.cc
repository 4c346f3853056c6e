#include "runtime/operators.h"

#include <cstdint>

namespace wuerstchen::runtime {

// The library is never unloaded, so no other one comes to lie at this address.
c10::Symbol OperatorOfThisCopy(const std::string& name) {
  static const char here = 0;
  return c10::Symbol::fromQualString(std::string(kOperators) + "::" + name + "_" +
                                     std::to_string(reinterpret_cast<uintptr_t>(&here)));
}

}  // namespace wuerstchen::runtime
