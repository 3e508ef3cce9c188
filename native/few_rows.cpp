// Products, softmax and SwiGLU for few rows, as decoding needs them.
//
//   twgrpo::pack_panels(matrices) -> Tensor[]
//
// A step of decoding multiplies some rows with every weight of the model: the weights pass through the processor once and each
// is used a few times. BLAS is made for large matrices, and a call of a library costs about as much as such a product; so here
// matrices lie as panels that are read in one stream while the rows' sums stay in registers.
//
// Vectors are GCC's (clang has them too): one source, compiled for each width of registers, chosen when the addon is loaded.
#include "few_rows.h"

#include <ATen/Parallel.h>
#include <torch/library.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstring>
#include <limits>

namespace twgrpo {

namespace {

using Vector = float __attribute__((vector_size(LANES * sizeof(float))));
using Integers = int32_t __attribute__((vector_size(LANES * sizeof(int32_t))));

/// Multiplications that pay for waking another thread.
constexpr int64_t WORTH_A_THREAD = 1 << 15;
/// How far a product's reading runs before its sums, in numbers of `in`; processors fetch no further than a page by themselves.
constexpr int64_t AHEAD = 256;

#define INLINE [[gnu::always_inline]] inline

INLINE Vector load(const float* from) {
  Vector v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

INLINE Vector load(const float* from, int64_t lanes, float filler) {
  if (lanes == LANES) return load(from);
  Vector v = Vector{} + filler;
  std::memcpy(&v, from, lanes * sizeof(float));
  return v;
}

INLINE void store(Vector v, float* to, int64_t lanes) {
  if (lanes == LANES)
    std::memcpy(to, &v, sizeof v);
  else
    std::memcpy(to, &v, lanes * sizeof(float));
}

using Half = float __attribute__((vector_size(LANES / 2 * sizeof(float))));
using Quarter = float __attribute__((vector_size(LANES / 4 * sizeof(float))));

INLINE float total(Vector v) {
  Half halves[2];
  std::memcpy(halves, &v, sizeof v);
  const Half half = halves[0] + halves[1];
  Quarter quarters[2];
  std::memcpy(quarters, &half, sizeof half);
  const Quarter q = quarters[0] + quarters[1];
  return (q[0] + q[2]) + (q[1] + q[3]);
}

/// e^x to 2 units in the last place, 0 for x < -87.
/// Range reduction and polynomial of Cephes' expf (Stephen L. Moshier).
INLINE Vector exponential(Vector x) {
  const Vector capped = x < 88.0f ? x : Vector{} + 88.0f;
  const Vector safe = capped > -87.0f ? capped : Vector{} - 87.0f;
  constexpr float ROUNDS = 12582912.0f;  // 1.5 * 2^23: what is added to it loses its fraction
  const Vector n = (safe * 1.44269504088896341f + ROUNDS) - ROUNDS;
  const Vector r = (safe - n * 0.693359375f) + n * 2.12194440e-4f;
  Vector p = Vector{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Integers power = (__builtin_convertvector(n, Integers) + 127) << 23;
  Vector scale;
  std::memcpy(&scale, &power, sizeof scale);
  return x < -87.0f ? Vector{} : p * scale;
}

template <int ROWS>
INLINE void rowsByPanel(const float* x, int64_t xStride, const float* panel, int64_t panelStride, int64_t in, float* y,
                        int64_t yStride, int64_t lanes, bool adds) {
  Vector sums[ROWS] = {};
  for (int64_t k = 0; k < in; k++) {
    const Vector m = load(panel + k * panelStride);
    __builtin_prefetch(panel + (k + AHEAD) * panelStride);
    for (int row = 0; row < ROWS; row++) sums[row] += x[row * xStride + k] * m;
  }
  for (int row = 0; row < ROWS; row++) {
    float* to = y + row * yStride;
    store(adds ? sums[row] + load(to, lanes, 0) : sums[row], to, lanes);
  }
}

/// ROWS at once, as many as the registers hold sums for.
template <int ROWS>
INLINE void product(const float* x, int64_t rows, int64_t xStride, const float* panel, int64_t panelStride, int64_t in,
                    float* y, int64_t yStride, int64_t lanes, bool adds) {
  int64_t row = 0;
  for (; row + ROWS <= rows; row += ROWS)
    rowsByPanel<ROWS>(x + row * xStride, xStride, panel, panelStride, in, y + row * yStride, yStride, lanes, adds);
  if constexpr (ROWS > 1)
    product<ROWS / 2>(x + row * xStride, rows - row, xStride, panel, panelStride, in, y + row * yStride, yStride, lanes, adds);
}

INLINE void dots(const float* x, const float* m, int64_t count, int64_t size, float* to) {
  for (int64_t i = 0; i < count; i++, m += size) {
    Vector sum{};
    for (int64_t k = 0; k < size; k += LANES) sum += load(x + k) * load(m + k);
    to[i] = total(sum);
  }
}

INLINE void softmax(float* x, int64_t size) {
  constexpr float LOWEST = -std::numeric_limits<float>::infinity();
  Vector largest = Vector{} + LOWEST;
  for (int64_t i = 0; i < size; i += LANES) {
    const Vector v = load(x + i, std::min(LANES, size - i), LOWEST);
    largest = v > largest ? v : largest;
  }
  float top = LOWEST;
  for (int lane = 0; lane < LANES; lane++) top = std::max(top, largest[lane]);
  Vector sums{};
  for (int64_t i = 0; i < size; i += LANES) {
    const auto lanes = std::min(LANES, size - i);
    const Vector v = exponential(load(x + i, lanes, LOWEST) - top);
    sums += v;
    store(v, x + i, lanes);
  }
  const float scale = 1 / total(sums);
  for (int64_t i = 0; i < size; i += LANES) {
    const auto lanes = std::min(LANES, size - i);
    store(load(x + i, lanes, 0) * scale, x + i, lanes);
  }
}

INLINE void swiglu(const float* gate, const float* up, int64_t size, float* to) {
  for (int64_t i = 0; i < size; i += LANES) {
    const auto lanes = std::min(LANES, size - i);
    const Vector g = load(gate + i, lanes, 0);
    store(g / (exponential(-g) + 1.0f) * load(up + i, lanes, 0), to + i, lanes);
  }
}

// A product keeps 8 sums in AVX-512's 32 registers, and 4 (of two registers each) in AVX2's 16.
#define KERNELS(NAME, TARGET, ROWS)                                                                                          \
  namespace NAME {                                                                                                           \
  TARGET void product(const float* x, int64_t rows, int64_t xStride, const float* panel, int64_t panelStride, int64_t in,    \
                      float* y, int64_t yStride, int64_t lanes, bool adds) {                                                 \
    twgrpo::product<ROWS>(x, rows, xStride, panel, panelStride, in, y, yStride, lanes, adds);                                \
  }                                                                                                                          \
  TARGET void dots(const float* x, const float* m, int64_t count, int64_t size, float* to) {                                 \
    twgrpo::dots(x, m, count, size, to);                                                                                     \
  }                                                                                                                          \
  TARGET void softmax(float* x, int64_t size) { twgrpo::softmax(x, size); }                                                  \
  TARGET void swiglu(const float* gate, const float* up, int64_t size, float* to) { twgrpo::swiglu(gate, up, size, to); }    \
  constexpr FewRows kernels{product, dots, softmax, swiglu};                                                                 \
  }

KERNELS(plain, , 4)
#if defined(__x86_64__)
KERNELS(avx2, [[gnu::target("avx2,fma")]], 4)
KERNELS(avx512, [[gnu::target("avx512f,avx512dq,fma")]], 8)
#endif

}  // namespace

const FewRows& fewRows() {
#if defined(__x86_64__)
  static const FewRows& best = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") ? avx512::kernels
                               : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")       ? avx2::kernels
                                                                                                       : plain::kernels;
  return best;
#else
  return plain::kernels;
#endif
}

namespace {

#ifdef __linux__
/// Uninitialised memory that asks for large pages; freed with the last tensor that looks at it.
at::Tensor emptyOfLargePages(int64_t numel) {
  const size_t bytes = std::max<size_t>(1, numel) * sizeof(float);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  TORCH_CHECK_WITH(OutOfMemoryError, memory != MAP_FAILED, "no memory for packed weights of ", bytes, " bytes");
  // Wishes: without large pages, or with them one by one as threads come to them, the memory is as good, only slower.
  madvise(memory, bytes, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
  madvise(memory, bytes, MADV_POPULATE_WRITE);
#endif
  return at::from_blob(memory, {numel}, [bytes](void* m) { munmap(m, bytes); }, at::kFloat);
}
#else
at::Tensor emptyOfLargePages(int64_t numel) { return at::empty({numel}, at::kFloat); }
#endif

int64_t numPanels(int64_t out) { return (out + LANES - 1) / LANES; }

}  // namespace

std::vector<at::Tensor> packPanels(at::TensorList matrices) {
  int64_t numel = 0;
  for (const at::Tensor& matrix : matrices) {
    TORCH_CHECK(matrix.dim() == 2 && matrix.is_cpu() && matrix.scalar_type() == at::kFloat,
                "pack_panels expects float32 matrices on the CPU, got ", matrix.toString(), " ", matrix.sizes());
    numel += numPanels(matrix.size(0)) * matrix.size(1) * LANES;
  }
  auto left = emptyOfLargePages(numel);
  std::vector<at::Tensor> packed;
  for (const at::Tensor& matrix : matrices) {
    const auto out = matrix.size(0), in = matrix.size(1), panels = numPanels(out);
    auto own = left.narrow(0, 0, panels * in * LANES).view({panels, in, LANES});
    left = left.narrow(0, own.numel(), left.numel() - own.numel());
    own.copy_(at::constant_pad_nd(matrix, {0, 0, 0, panels * LANES - out}).view({panels, LANES, in}).transpose(1, 2));
    packed.push_back(own);
  }
  return packed;
}

void panelLinear(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& y, bool adds) {
  const auto rows = x.size(0), in = x.size(1), out = y.size(1);
  TORCH_CHECK(panels.dim() == 3 && panels.size(1) == in && panels.size(2) == LANES && panels.is_contiguous() &&
                  panels.size(0) == numPanels(out),
              "panels ", panels.sizes(), " do not fit ", x.sizes(), " to ", y.sizes());
  const float *from = x.const_data_ptr<float>(), *m = panels.const_data_ptr<float>();
  float* to = y.data_ptr<float>();
  const auto& kernels = fewRows();
  const auto grain = std::max<int64_t>(1, WORTH_A_THREAD / (rows * in * LANES));
  at::parallel_for(0, panels.size(0), grain, [&](int64_t begin, int64_t end) {
    for (auto panel = begin; panel < end; panel++)
      kernels.product(from, rows, in, m + panel * in * LANES, LANES, in, to + panel * LANES, out,
                      std::min(LANES, out - panel * LANES), adds);
  });
}

TORCH_LIBRARY_FRAGMENT(twgrpo, library) {
  library.def("pack_panels(Tensor[] matrices) -> Tensor[]", &packPanels);
}

}  // namespace twgrpo
