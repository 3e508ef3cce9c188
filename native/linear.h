#pragma once

#include <ATen/ATen.h>

namespace twgrpo {

/// x W^T + b for x (M, in), without gradient; the weight (out, in) plain, transposed or packed by `packLinearWeight`.
at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias = {});

/// The weight in oneDNN's blocked order where there is one, else contiguous.
at::Tensor packLinearWeight(const at::Tensor& weight);

}  // namespace twgrpo
