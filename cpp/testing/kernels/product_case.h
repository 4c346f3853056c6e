// What a product is asked in every format of its weights.
#ifndef CPP_TESTING_KERNELS_PRODUCT_CASE_H_
#define CPP_TESTING_KERNELS_PRODUCT_CASE_H_

#include <vector>

#include "testing/kernels/cases.h"

namespace wuerstchen::testing {

std::vector<Answer> AskProducts(const runtime::kernels::Kernels& kernels);

}  // namespace wuerstchen::testing

#endif  // CPP_TESTING_KERNELS_PRODUCT_CASE_H_
