// The kernels for one kind of CPU: compiled once for each, with its flags, lanes and namespace
// (cpp/CMakeLists.txt). Nothing here may be an inline function of the standard library: the linker
// would keep one copy for all CPUs.
#include "runtime/kernels/attention.h"
#include "runtime/kernels/maps.h"
#include "runtime/kernels/pairs.h"
#include "runtime/kernels/product.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

extern const Kernels kFloat32, kBFloat16;

const Kernels kFloat32 = {
    .name = KERNEL_NAME,
    .number = Number::kFloat32,
    .native = true,
    .panel = kPanel,
    .tile = kTile,
    .key_multiple = kPanel,
    .row_stride = 0,
    .product_scratch = kProductScratch,
    .pack = Pack,
    .quantise = Quantise,
    .product = Product,
    .pack_keys = PackKeys<float>,
    .pack_values = PackValues<float>,
    .attention = Attention<float>,
    .depthwise = Depthwise<float>,
    .statistics = Statistics<float>,
    .modulate = Modulate<float>,
};

const Kernels kBFloat16 = {
    .name = KERNEL_NAME,
    .number = Number::kBFloat16,
    .native = KERNEL_PAIRS,
    .panel = kPanel,
    .tile = kTile,
    .key_multiple = kPanel,
    .row_stride = kPairStride,
    .product_scratch = kPairScratch,
    .pack = PackPairs,
    .quantise = nullptr,
    .product = ProductOfPairs,
    .pack_keys = PackKeys<BFloat16>,
    .pack_values = PackValues<BFloat16>,
    .attention = Attention<BFloat16>,
    .depthwise = Depthwise<BFloat16>,
    .statistics = Statistics<BFloat16>,
    .modulate = Modulate<BFloat16>,
};

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE
