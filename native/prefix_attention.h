// What the two ways to attend to a shared prefix have in common (prefix_attention.cpp, prefix_flash.cpp): checks, and the prefix's
// queries and log-sum-exps as one long row.
#pragma once

#include <ATen/ATen.h>

namespace twgrpo {

/// (G, H, S, E) to (1, H, G * S, E): all rows as one long query of the shared prefix.
inline at::Tensor asOneRow(const at::Tensor& x) {
  return x.transpose(0, 1).reshape({1, x.size(1), x.size(0) * x.size(2), x.size(3)});
}

/// The way back.
inline at::Tensor asRows(const at::Tensor& x, int64_t rows) {
  return x.reshape({x.size(1), rows, x.size(2) / rows, x.size(3)}).transpose(0, 1);
}

/// (1, H, G * S) log-sum-exps to (G, H, S).
inline at::Tensor lseAsRows(const at::Tensor& l, int64_t rows) {
  return l.reshape({l.size(1), rows, l.size(2) / rows}).transpose(0, 1);
}

/// (G, H, S) log-sum-exps to (1, H, G * S).
inline at::Tensor lseAsOneRow(const at::Tensor& l) {
  return l.transpose(0, 1).reshape({1, l.size(1), l.size(0) * l.size(2)});
}

/// @throws c10::Error naming the sizes that don't fit together
void checkPrefixShapes(const at::Tensor& q, const at::Tensor& pk, const at::Tensor& pv, const at::Tensor& sk,
                       const at::Tensor& sv);

}  // namespace twgrpo
