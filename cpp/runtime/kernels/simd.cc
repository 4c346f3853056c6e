// The kernels for one kind of CPU: compiled once for each, with its flags, lanes and namespace
// (cpp/CMakeLists.txt). Nothing here may be an inline function of the standard library: the linker
// would keep one copy for all CPUs.
#include "runtime/kernels/attention.h"
#include "runtime/kernels/maps.h"
#include "runtime/kernels/product.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

extern const Kernels kKernels;
const Kernels kKernels = {
    .name = KERNEL_NAME,
    .panel = kPanel,
    .key_multiple = kPanel,
    .pack = Pack,
    .quantise = Quantise,
    .product = Product,
    .pack_keys = PackKeys,
    .pack_values = PackValues,
    .attention = Attention,
    .depthwise = Depthwise,
    .statistics = Statistics,
    .modulate = Modulate,
};

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE
