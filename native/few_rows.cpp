// Products, softmax and SwiGLU for few rows, as decoding needs them, in the widest registers that the processor has.
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
#include <cstdlib>
#include <cstring>
#include <limits>

namespace twgrpo {

namespace {

/// Multiplications that pay for waking another thread.
constexpr int64_t WORTH_A_THREAD = 1 << 15;
/// How far reading runs before the sums, in numbers of `in`: into the second cache, which holds more requests than the first.
/// Processors fetch no further than a page by themselves.
constexpr int64_t AHEAD = 256;
constexpr float LOWEST = -std::numeric_limits<float>::infinity();

#define INLINE [[gnu::always_inline]] inline

/// W numbers: as many as a register holds, for wider vectors are taken apart badly.
template <int W>
struct Registers {
  typedef float Vector __attribute__((vector_size(W * sizeof(float))));
  typedef int32_t Integers __attribute__((vector_size(W * sizeof(int32_t))));
};
template <int W>
using Vector = typename Registers<W>::Vector;

template <int W>
INLINE Vector<W> load(const float* from) {
  Vector<W> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

template <int W>
INLINE Vector<W> load(const float* from, int64_t lanes, float filler) {
  if (lanes >= W) return load<W>(from);
  Vector<W> v = Vector<W>{} + filler;
  std::memcpy(&v, from, lanes * sizeof(float));
  return v;
}

template <int W>
INLINE void store(Vector<W> v, float* to, int64_t lanes) {
  if (lanes >= W)
    std::memcpy(to, &v, sizeof v);
  else
    std::memcpy(to, &v, lanes * sizeof(float));
}

template <int W>
INLINE float total(Vector<W> v) {
  if constexpr (W == 4) {
    return (v[0] + v[2]) + (v[1] + v[3]);
  } else {
    Vector<W / 2> halves[2];
    std::memcpy(halves, &v, sizeof v);
    return total<W / 2>(halves[0] + halves[1]);
  }
}

/// e^x to 2 units in the last place, 0 for x < -87, e^88 for x > 88.
/// Range reduction and polynomial of Cephes' expf (Stephen L. Moshier).
template <int W>
INLINE Vector<W> exponential(Vector<W> x) {
  const Vector<W> capped = x > 88.0f ? Vector<W>{} + 88.0f : x;  // NaN stays NaN
  const Vector<W> safe = capped < -87.0f ? Vector<W>{} - 87.0f : capped;
  constexpr float ROUNDS = 12582912.0f;  // 1.5 * 2^23: what is added to it loses its fraction
  const Vector<W> n = (safe * 1.44269504088896341f + ROUNDS) - ROUNDS;
  const Vector<W> r = (safe - n * 0.693359375f) + n * 2.12194440e-4f;
  Vector<W> p = Vector<W>{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  using Integers = typename Registers<W>::Integers;
  const Integers power = (__builtin_convertvector(n, Integers) + 127) << 23;
  Vector<W> scale;
  std::memcpy(&scale, &power, sizeof scale);
  return x < -87.0f ? Vector<W>{} : p * scale;
}

template <int W, int ROWS>
INLINE void rowsByPanel(const float* x, int64_t xStride, const float* panel, int64_t panelStride, int64_t in, float* y,
                        int64_t yStride, int64_t lanes, bool adds) {
  constexpr int PARTS = LANES / W;
  Vector<W> sums[ROWS][PARTS] = {};
  for (int64_t k = 0; k < in; k++) {
    Vector<W> m[PARTS];
    for (int part = 0; part < PARTS; part++) m[part] = load<W>(panel + k * panelStride + part * W);
    __builtin_prefetch(panel + (k + AHEAD) * panelStride, 0, 2);
    for (int row = 0; row < ROWS; row++)
      for (int part = 0; part < PARTS; part++) sums[row][part] += x[row * xStride + k] * m[part];
  }
  for (int row = 0; row < ROWS; row++) {
    for (int part = 0; part < PARTS; part++) {
      const auto left = lanes - part * W;
      if (left <= 0) break;
      float* to = y + row * yStride + part * W;
      store<W>(adds ? sums[row][part] + load<W>(to, left, 0) : sums[row][part], to, left);
    }
  }
}

/// ROWS at once, as many as the registers hold sums for.
template <int W, int ROWS>
INLINE void product(const float* x, int64_t rows, int64_t xStride, const float* panel, int64_t panelStride, int64_t in,
                    float* y, int64_t yStride, int64_t lanes, bool adds) {
  int64_t row = 0;
  for (; row + ROWS <= rows; row += ROWS)
    rowsByPanel<W, ROWS>(x + row * xStride, xStride, panel, panelStride, in, y + row * yStride, yStride, lanes, adds);
  if constexpr (ROWS > 1)
    product<W, ROWS / 2>(x + row * xStride, rows - row, xStride, panel, panelStride, in, y + row * yStride, yStride, lanes,
                         adds);
}

template <int W>
INLINE void dots(const float* x, const float* m, int64_t count, int64_t size, float* to) {
  for (int64_t i = 0; i < count; i++, m += size) {
    Vector<W> sum{};
    for (int64_t k = 0; k < size; k += W) sum += load<W>(x + k) * load<W>(m + k);
    to[i] = total<W>(sum);
  }
}

template <int W>
INLINE void softmax(float* x, int64_t size) {
  Vector<W> largest = Vector<W>{} + LOWEST;
  for (int64_t i = 0; i < size; i += W) {
    const Vector<W> v = load<W>(x + i, size - i, LOWEST);
    largest = v > largest ? v : largest;
  }
  float top = LOWEST;
  for (int lane = 0; lane < W; lane++) top = std::max(top, largest[lane]);
  Vector<W> sums{};
  for (int64_t i = 0; i < size; i += W) {
    const Vector<W> v = exponential<W>(load<W>(x + i, size - i, LOWEST) - top);
    sums += v;
    store<W>(v, x + i, size - i);
  }
  const float scale = 1 / total<W>(sums);
  for (int64_t i = 0; i < size; i += W) store<W>(load<W>(x + i, size - i, 0) * scale, x + i, size - i);
}

template <int W>
INLINE void swiglu(const float* gate, const float* up, int64_t size, float* to) {
  for (int64_t i = 0; i < size; i += W) {
    const Vector<W> g = load<W>(gate + i, size - i, 0);
    store<W>(g / (exponential<W>(-g) + 1.0f) * load<W>(up + i, size - i, 0), to + i, size - i);
  }
}

template <int W>
INLINE void swigluBackward(const float* gradient, const float* gate, const float* up, int64_t size, float* dGate, float* dUp) {
  for (int64_t i = 0; i < size; i += W) {
    const auto left = size - i;
    const Vector<W> d = load<W>(gradient + i, left, 0), g = load<W>(gate + i, left, 0);
    const Vector<W> s = 1.0f / (exponential<W>(-g) + 1.0f);
    store<W>(d * load<W>(up + i, left, 0) * s * (1.0f + g * (1.0f - s)), dGate + i, left);
    store<W>(d * g * s, dUp + i, left);
  }
}

/// Numbers in a register and rows of a product at once: their sums take half of the registers or less.
#define KERNELS(NAME, TARGET, W, ROWS)                                                                                       \
  namespace NAME {                                                                                                           \
  TARGET void product(const float* x, int64_t rows, int64_t xStride, const float* panel, int64_t panelStride, int64_t in,    \
                      float* y, int64_t yStride, int64_t lanes, bool adds) {                                                 \
    twgrpo::product<W, ROWS>(x, rows, xStride, panel, panelStride, in, y, yStride, lanes, adds);                             \
  }                                                                                                                          \
  TARGET void dots(const float* x, const float* m, int64_t count, int64_t size, float* to) {                                 \
    twgrpo::dots<W>(x, m, count, size, to);                                                                                  \
  }                                                                                                                          \
  TARGET void softmax(float* x, int64_t size) { twgrpo::softmax<W>(x, size); }                                               \
  TARGET void swiglu(const float* gate, const float* up, int64_t size, float* to) { twgrpo::swiglu<W>(gate, up, size, to); } \
  TARGET void swigluBackward(const float* gradient, const float* gate, const float* up, int64_t size, float* dGate,          \
                             float* dUp) {                                                                                   \
    twgrpo::swigluBackward<W>(gradient, gate, up, size, dGate, dUp);                                                         \
  }                                                                                                                          \
  constexpr FewRows kernels{product, dots, softmax, swiglu, swigluBackward};                                                 \
  }

KERNELS(plain, , 4, 2)
#if defined(__x86_64__)
KERNELS(avx2, [[gnu::target("avx2,fma")]], 8, 4)
KERNELS(avx512, [[gnu::target("avx512f,avx512dq,fma")]], 16, 8)
#endif

}  // namespace

const FewRows& fewRows() {
#if defined(__x86_64__)
  // libtorch's own switch for its kernels, ATEN_CPU_CAPABILITY, holds here too.
  static const FewRows& best = []() -> const FewRows& {
    const char* wish = std::getenv("ATEN_CPU_CAPABILITY");
    const auto may = [&](const char* capability) { return wish == nullptr || std::strcmp(wish, capability) == 0; };
    if (may("avx512") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) return avx512::kernels;
    if (may("avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::kernels;
    return plain::kernels;
  }();
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

bool arePanels(const at::Tensor& tensor, int64_t out, int64_t in) {
  return tensor.dim() == 3 && tensor.size(0) == numPanels(out) && tensor.size(1) == in && tensor.size(2) == LANES &&
         tensor.is_contiguous();
}

void panelLinear(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& y, bool adds) {
  const auto rows = x.size(0), in = x.size(1), out = y.size(1);
  TORCH_CHECK(arePanels(panels, out, in), "panels ", panels.sizes(), " do not fit ", x.sizes(), " to ", y.sizes());
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
