// Names of the operators that this library adds to libtorch. libtorch knows operators by name in
// the whole process, in which several copies of this library may live, of one version or of two:
// every copy has names of its own. Any thread.
#ifndef CPP_RUNTIME_OPERATORS_H_
#define CPP_RUNTIME_OPERATORS_H_

#include <ATen/core/symbol.h>

#include <string>

namespace wuerstchen::runtime {

// The namespace of all operators.
constexpr char kOperators[] = "wuerstchen";

// `use_7f12...` for `use`, in that namespace.
c10::Symbol OperatorOfThisCopy(const std::string& name);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_OPERATORS_H_
