// What the kernels of one kind are asked, and how far their answers are from those of plain sums in
// double precision.
#ifndef CPP_TESTING_KERNELS_CASES_H_
#define CPP_TESTING_KERNELS_CASES_H_

#include <string>
#include <vector>

#include "runtime/kernels/kernels.h"

namespace wuerstchen::testing {

struct Answer {
  std::string name;
  double error;  // the largest, as a share of the root of the mean square of what is right
  bool alone;    // whether some of the rows, computed alone, give the same bits
};

std::vector<Answer> Answers(const runtime::kernels::Kernels& kernels);

}  // namespace wuerstchen::testing

#endif  // CPP_TESTING_KERNELS_CASES_H_
