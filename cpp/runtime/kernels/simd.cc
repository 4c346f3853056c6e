// The kernels for one kind of CPU: compiled once for each, with its flags, lanes and namespace
// (cpp/CMakeLists.txt). Nothing here may be an inline function of the standard library: the linker
// would keep one copy for all CPUs.
#include "runtime/kernels/attention.h"
#include "runtime/kernels/maps.h"
#include "runtime/kernels/pair_product.h"
#include "runtime/kernels/product.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

extern const Kernels kFloat32, kBFloat16;

const Kernels kFloat32 = {
    .name = KERNEL_NAME,
    .number = Number::kFloat32,
    .panel = kPanel,
    .tile = kTile,
    .key_multiple = kPanel,
    .row_stride = 0,
    .product_scratch = kProductScratch,
    .pack = Pack,
    .quantise = Quantise,
    .pack_bytes = PackBytes,
    .round_rows = RoundRows,
    .product = Product,
    .attention = kAttention<float, float>,
    .rough_attention =
        KERNEL_PAIRS || KERNEL_AMX ? kAttention<BFloat16, float> : kAttention<float, float>,
    .depthwise = Depthwise<float>,
    .statistics = Statistics<float>,
    .modulate = Modulate<float>,
};

const Kernels kBFloat16 = {
    .name = KERNEL_NAME,
    .number = Number::kBFloat16,
    .panel = kPanel,
    .tile = kPairTile,
    .key_multiple = kPanel,
    .row_stride = kPairStride,
    .product_scratch = kPairScratch,
    .pack = PackPairs,
    .quantise = nullptr,
    .pack_bytes = nullptr,
    .round_rows = nullptr,
    .product = ProductOfPairs,
    .attention = kAttention<BFloat16, BFloat16>,
    .rough_attention = kAttention<BFloat16, BFloat16>,
    .depthwise = Depthwise<BFloat16>,
    .statistics = Statistics<BFloat16>,
    .modulate = Modulate<BFloat16>,
};

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE
