// Attention of G rows that share a prefix, exact, without copying the prefix for each row:
//
//   twgrpo::prefix_attention(query, prefix_key, prefix_value, suffix_key, suffix_value, scale) -> Tensor
//
// The queries attend twice, to the prefix (all G * S queries of a head as one long query) and causally to
// their own suffix, and the two results are merged by their log-sum-exps:
//
//   L = logaddexp(l1, l2);  O = o1 exp(l1 - L) + o2 exp(l2 - L)
//
// Backward calls the same kernels' backward on each part with the merged O and L, which gives exactly the
// parts' shares of the softmax (the identity behind ring attention, arXiv 2310.01889).
//
// Shapes: query (G, H, S, E); prefix (1, K, P, E); suffix (G, K, S, E); result (G, H, S, E); H a multiple of K.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "prefix_attention.h"

namespace twgrpo {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

struct PrefixAttention : torch::autograd::Function<PrefixAttention> {
  static Variable forward(AutogradContext* ctx, const Variable& q, const Variable& pk, const Variable& pv,
                          const Variable& sk, const Variable& sv, double scale) {
    at::AutoDispatchBelowADInplaceOrView guard;
    const auto rows = q.size(0);
    auto [out1, lse1] = at::_scaled_dot_product_flash_attention_for_cpu(asOneRow(q), pk, pv, 0.0, false, {}, scale);
    auto [out2, lse2] = at::_scaled_dot_product_flash_attention_for_cpu(q, sk, sv, 0.0, true, {}, scale);
    auto l1 = lseAsRows(lse1, rows);
    auto lse = at::logaddexp(l1, lse2);
    auto share1 = (l1 - lse).exp_().unsqueeze(-1).to(q.scalar_type());
    auto share2 = (lse2 - lse).exp_().unsqueeze(-1).to(q.scalar_type());
    auto out = (asRows(out1, rows) * share1).addcmul_(out2, share2);
    ctx->save_for_backward({q, pk, pv, sk, sv, out, lse});
    ctx->saved_data["scale"] = scale;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    auto saved = ctx->get_saved_variables();
    const auto &q = saved[0], &pk = saved[1], &pv = saved[2], &sk = saved[3], &sv = saved[4], &out = saved[5],
               &lse = saved[6];
    const double scale = ctx->saved_data["scale"].toDouble();
    const auto rows = q.size(0);
    const auto& dOut = gradients[0];
    auto [dq1, dpk, dpv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        asOneRow(dOut), asOneRow(q), pk, pv, asOneRow(out), lseAsOneRow(lse), 0.0, false, {}, scale);
    auto [dq2, dsk, dsv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(dOut, q, sk, sv, out, lse, 0.0,
                                                                                   true, {}, scale);
    return {asRows(dq1.contiguous(), rows) + dq2, dpk, dpv, dsk, dsv, Variable()};
  }
};

at::Tensor prefixAttention(const at::Tensor& q, const at::Tensor& pk, const at::Tensor& pv, const at::Tensor& sk,
                           const at::Tensor& sv, double scale) {
  checkPrefixShapes(q, pk, pv, sk, sv);
  TORCH_CHECK(q.is_cpu(), "prefix_attention has only a CPU kernel; a GPU has prefix_flash");
  return PrefixAttention::apply(q, pk, pv, sk, sv, scale);
}

}  // namespace

void checkPrefixShapes(const at::Tensor& q, const at::Tensor& pk, const at::Tensor& pv, const at::Tensor& sk,
                       const at::Tensor& sv) {
  TORCH_CHECK(q.dim() == 4 && pk.dim() == 4 && sk.dim() == 4, "query, prefix and suffix must have 4 dimensions");
  TORCH_CHECK(pk.sizes() == pv.sizes() && sk.sizes() == sv.sizes(), "keys and values must have equal shapes");
  TORCH_CHECK(pk.size(0) == 1, "the prefix is shared: its first dimension must be 1, got ", pk.size(0));
  TORCH_CHECK(sk.size(0) == q.size(0) && sk.size(2) == q.size(2), "query ", q.sizes(), " and suffix ", sk.sizes(),
              " must have the same rows and tokens");
  TORCH_CHECK(sk.size(1) == pk.size(1) && q.size(1) % pk.size(1) == 0, "query heads (", q.size(1),
              ") must be a multiple of key heads (", pk.size(1), ")");
  TORCH_CHECK(q.size(3) == pk.size(3) && q.size(3) == sk.size(3), "head sizes differ");
}

TORCH_LIBRARY(twgrpo, library) {
  library.def(
      "prefix_attention(Tensor query, Tensor prefix_key, Tensor prefix_value, Tensor suffix_key, Tensor suffix_value, "
      "float scale) -> Tensor",
      &prefixAttention);
}

}  // namespace twgrpo
