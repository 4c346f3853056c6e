// Prints a line for each answer of each kind of kernels that this CPU has, or of the one that is
// named: `kind number case error same`. Exits with 1 where there are none.
#include <cstdio>
#include <string>

#include "runtime/kernels/kinds.h"
#include "testing/kernels/cases.h"

int main(int count, char** arguments) {
  using wuerstchen::runtime::kernels::Number;
  namespace kernels = wuerstchen::runtime::kernels;
  const std::string only = count > 1 ? arguments[1] : "";
  bool any = false;
  for (const auto& kind : kernels::Kinds()) {
    if (!only.empty() && kind != only) continue;
    for (const auto number : {Number::kFloat32, Number::kBFloat16}) {
      const auto* const table = kernels::Find(kind, number);
      const char* const name = number == Number::kFloat32 ? "float32" : "bfloat16";
      for (const auto& answer : wuerstchen::testing::Answers(*table)) {
        std::printf("%s %s %s %.3e %s\n", kind.c_str(), name, answer.name.c_str(), answer.error,
                    answer.alone ? "same" : "DIFFERENT");
        any = true;
      }
    }
  }
  return any ? 0 : 1;
}
