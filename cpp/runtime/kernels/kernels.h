// The inner loops of a step, for one thread and one kind of CPU. Plain C++: no libtorch, no
// allocation, no threads; who calls them cuts the work into chunks and gives them scratch memory.
// All maps are channels-last, so a map of pixels is a matrix with a row per pixel. Their numbers
// are those of the table whose functions read them: float32, or bfloat16, of which all sums, norms
// and exponentials are still taken in float32.
//
// Every sum is taken in an order that depends on a chunk's own shape alone, never on who computes
// it.
#ifndef CPP_RUNTIME_KERNELS_KERNELS_H_
#define CPP_RUNTIME_KERNELS_KERNELS_H_

#include <cstdint>

namespace wuerstchen::runtime::kernels {

constexpr int64_t kPassDepth =
    256;  // numbers of a row that one pass takes: a panel of them fits the first cache
constexpr int64_t kStripRows = 154;             // rows that a panel meets at once, at most
constexpr int64_t kChunkRows = 2 * kStripRows;  // rows of one chunk, at most
constexpr int64_t kPartColumns = 2048;          // of one chunk, at most
constexpr int64_t kChunkQueries = 98;           // queries of one chunk, at most

// What maps are made of.
enum class Number { kFloat32, kBFloat16 };

enum class Format { kPacked, kQuantised, kBytes, kFloat32, kBFloat16, kFloat16 };

// The right side of a product, the transpose of a (columns, depth) weight. `kPacked`: in panels of
// columns for a pass over the depth at a time, in the table's numbers, made by `pack`.
// `kQuantised`: the same in 8 bits, with a scale for each column of each panel, made by `quantise`.
// Else as it is stored, row-major, and each panel is brought into shape when used.
struct Weight {
  const void* data;
  Format format;
  int64_t stride;  // numbers between rows of one that is not packed
};

// The arguments of packing: some columns, from `first_column` on, of a weight that is to be packed.
struct PackArgs {
  Weight weight;
  int64_t columns;  // of this part: whole panels
  int64_t depth;
  int64_t first_column;
  int64_t all_columns;
};

// Bytes of a weight in `kQuantised`. The depth is even.
constexpr int64_t QuantisedBytes(int64_t columns, int64_t depth) {
  const int64_t passes = (depth + kPassDepth - 1) / kPassDepth;
  return columns * (depth + passes * static_cast<int64_t>(sizeof(float)));
}

// The same in `kBytes`. The depth is a multiple of four.
constexpr int64_t BytesOf(int64_t columns, int64_t depth) {
  const int64_t passes = (depth + kPassDepth - 1) / kPassDepth;
  return columns * (depth + 2 * passes * static_cast<int64_t>(sizeof(float)));
}

// Numbers between rows of bytes; see kPairStride.
constexpr int64_t kByteStride = kPassDepth + 64;

// What `round_rows` makes of some rows and one pass: a scale and a zero for each, then its bytes.
constexpr int64_t RoundedBytes(int64_t rows) {
  return rows * (2 * static_cast<int64_t>(sizeof(float)) + kByteStride);
}

// Some columns of the left side, with the rows of the weight's transpose that they meet.
struct Segment {
  const void* rows;
  int64_t stride;       // numbers between rows
  int64_t depth;        // numbers of a row
  const float* centre;  // one a row, subtracted first; null for none
  const float* spread;  // one a row, multiplied after; null exactly if `centre` is
  const float* factor;  // one a column, multiplied last; null for none
  Weight weight;
  int64_t factor_rows = kChunkRows;  // so many rows share factors; the next have `depth` others

  // The factors of a row; null for none.
  const float* FactorOf(int64_t row) const {
    return factor == nullptr ? nullptr : factor + row / factor_rows * depth;
  }
};

// The arguments of a product of a chunk of rows: out = residual + activation(segments * weights +
// bias).
struct ProductArgs {
  const Segment* segments = nullptr;
  int segment_count = 0;
  int64_t rows = 0;        // at most kChunkRows
  int64_t strip_rows = 0;  // how many of them a panel meets at once; the last strip may have fewer
  int64_t columns = 0;
  int64_t first_panel = 0,
          end_panel = 0;          // the part of them to compute: kPartColumns, or a panel more
  const void* rounded = nullptr;  // of each pass, if weights are `kBytes`: RoundedBytes(rows)
  void* out = nullptr;
  int64_t out_stride = 0;
  const float* bias = nullptr;     // null for none
  const void* residual = nullptr;  // laid out as `out`; null for none
  bool gelu = false;
  float* energy =
      nullptr;  // (strips, columns): gets the sums of the results' squares; null for none
  float* scratch = nullptr;  // of `product_scratch` numbers
};

// The arguments of attention: a chunk of queries of one head to all keys.
struct AttentionArgs {
  const void* queries;
  int64_t query_stride;
  int64_t rows;        // at most kChunkQueries
  int64_t head_dim;    // even, at most kPassDepth
  const void* keys;    // packed by `pack_keys`
  const void* values;  // packed by `pack_values`
  int64_t key_count;
  float scale;
  void* out;
  int64_t out_stride;
  float* scratch;  // of kAttentionScratch numbers
};
constexpr int64_t kAttentionScratch = 4 * kChunkQueries * kPassDepth + 4 * kChunkQueries;

// The arguments of packing a head: rows of keys or values that are to be packed, behind those that
// are packed already.
struct PackHeadArgs {
  const void* rows;
  int64_t stride;
  int64_t count;
  int64_t head_dim;
  int64_t first;     // place of the first among all keys
  int64_t capacity;  // keys in all, rounded up to `key_multiple`
};

// The arguments of a depthwise 3x3 convolution: of pixels [first, end) of one picture, counted row
// by row.
struct DepthwiseArgs {
  const void* in;       // (held, width, channels)
  const float* centre;  // of each pixel of `in`, as `Segment`; null for none
  const float* spread;
  const float* taps;     // (9, channels); of bfloat16 the even ones of each panel first
  const float* bias;     // (channels), the same
  const void* residual;  // laid out as `out`; null for none
  void* out;             // of pixel `first`, as all below
  float* out_centre;     // mean of each pixel of `out`, and one over its deviation
  float* out_spread;
  int64_t height;  // of the picture
  int64_t held;    // rows of it that `in` and its statistics have room for: y lies at y % held
  int64_t width, channels, first, end;
  bool replicate;  // beyond the border is the border, else zero
  float epsilon;   // of the deviation
};

// Attention of maps of the table's numbers, whose keys and values are packed as `number`.
struct AttentionKernels {
  Number number;
  void (*pack_keys)(const PackHeadArgs& rows, void* packed);
  void (*pack_values)(const PackHeadArgs& rows, void* packed);
  void (*attend)(const AttentionArgs& args);
};

constexpr int64_t BytesOf(Number number) {
  return number == Number::kFloat32 ? 4 : 2;
}

// Pointers to maps and to what is made of them are to the table's numbers.
struct Kernels {
  const char* name;
  Number number;
  int64_t panel;         // columns of a panel
  int64_t tile;          // rows that are multiplied at once: chunks are best a multiple of it
  int64_t key_multiple;  // packed keys are padded to it
  int64_t row_stride;    // of rows that products read where they lie; 0 if they are always copied
  int64_t product_scratch;
  void (*pack)(const PackArgs& part, void* packed);
  void (*quantise)(const PackArgs& part, void* packed);    // null for none
  void (*pack_bytes)(const PackArgs& part, void* packed);  // null for none
  // Numbers of a segment's rows from `start` on, as far as a pass goes, for products with `kBytes`.
  // `row`: kPassDepth numbers of scratch memory. Null for none.
  void (*round_rows)(const Segment& segment, int64_t rows, int64_t start, float* row,
                     void* rounded);
  void (*product)(const ProductArgs& args);
  AttentionKernels attention;
  AttentionKernels rough_attention;  // as fast as it can be, where weights are rounded anyway
  void (*depthwise)(const DepthwiseArgs& args);
  // Mean and one over the deviation of each row.
  void (*statistics)(const void* rows, int64_t count, int64_t channels, float epsilon,
                     float* centre, float* spread);
  // out = rows * (1 + scale) + shift
  void (*modulate)(const void* rows, int64_t count, int64_t channels, const void* scale,
                   const void* shift, void* out);

  int64_t number_bytes() const { return BytesOf(number); }
  // The place of a number of a map; null stays null.
  void* At(void* map, int64_t index) const {
    return map == nullptr ? nullptr : static_cast<char*>(map) + index * number_bytes();
  }
  const void* At(const void* map, int64_t index) const {
    return map == nullptr ? nullptr : static_cast<const char*>(map) + index * number_bytes();
  }
};

}  // namespace wuerstchen::runtime::kernels

#endif  // CPP_RUNTIME_KERNELS_KERNELS_H_
