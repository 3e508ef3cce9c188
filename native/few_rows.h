#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace twgrpo {

/// Numbers worked on at once; a panel of a packed matrix is so wide.
constexpr int64_t LANES = 16;

/// Float32 matrices (out, in) as panels (ceil(out / LANES), in, LANES), zeros beyond `out`: a product with few rows reads them in
/// one stream. They lie one after the other in memory of large pages where the system has them: that stream crosses a page each
/// microsecond otherwise.
std::vector<at::Tensor> packPanels(at::TensorList matrices);

/// Whether a tensor has the form that `packPanels` gives a matrix (out, in).
bool arePanels(const at::Tensor& tensor, int64_t out, int64_t in);

/// Kernels for few rows in the widest form that this processor has. A row's numbers do not depend on the rows beside it.
struct FewRows {
  /// y = x M^T, or y += x M^T, for one panel of M. Numbers `k` of a panel begin at panel + k * panelStride; x is (rows, in) and y
  /// (rows, lanes), both with a stride between rows; lanes <= LANES.
  void (*product)(const float* x, int64_t rows, int64_t xStride, const float* panel, int64_t panelStride, int64_t in, float* y,
                  int64_t yStride, int64_t lanes, bool adds);
  /// to[i] = x · m[i] for `count` rows of `size` numbers, a multiple of LANES.
  void (*dots)(const float* x, const float* m, int64_t count, int64_t size, float* to);
  void (*softmax)(float* x, int64_t size);
  /// to = silu(gate) * up, to may be gate.
  void (*swiglu)(const float* gate, const float* up, int64_t size, float* to);
  /// Gradients of swiglu with respect to gate and up.
  void (*swigluBackward)(const float* gradient, const float* gate, const float* up, int64_t size, float* dGate, float* dUp);
};

const FewRows& fewRows();

/// y = x M^T, or y += x M^T, on all threads; x (R, in) and y (R, out) contiguous float32, M one of `packPanels`.
void panelLinear(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& y, bool adds);

}  // namespace twgrpo
