// The same attention as prefix_attention.cpp where flash attention runs, on a GPU:
//
//   twgrpo::prefix_flash(query, prefix_key, prefix_value, suffix_key, suffix_value, scale) -> Tensor
//   twgrpo::can_prefix_flash(query, suffix_key, suffix_value) -> bool
//
// Without it the rows would attend to the prefix and their suffix joined, which needs a mask that flash attention does not take: the
// prefix is copied for each row and all scores are stored in float32.
//
// Both parts are flash attention, forward and backward; they are merged by their log-sum-exps, with
//
//   share = exp(l1 - logaddexp(l1, l2)) = sigmoid(l1 - l2);  O = o2 + share (o1 - o2)
//
// The operators have had this signature from PyTorch 2.7 to 2.13. Tested on a stand-in device by the CPU's flash attention; it has not
// run on a GPU.
//
// Shapes: query (G, H, S, E); prefix (1, K, P, E); suffix (G, K, S, E); result (G, H, S, E); H a multiple of K.
#include <ATen/ATen.h>
#include <ATen/SDPBackend.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "prefix_attention.h"

namespace twgrpo {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

struct Attended {
  at::Tensor out;
  at::Tensor lse;
  /// Of the random numbers of dropout, which is off; backward asks for them all the same.
  at::Tensor seed;
  at::Tensor offset;
};

Attended attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool isCausal, double scale) {
  const auto results = at::_scaled_dot_product_flash_attention(q, k, v, 0.0, isCausal, false, scale);
  return {std::get<0>(results), std::get<1>(results), std::get<6>(results), std::get<7>(results)};
}

/// @param lse contiguous, as the kernel reads it
std::tuple<at::Tensor, at::Tensor, at::Tensor> attendBackward(const at::Tensor& dOut, const at::Tensor& q,
                                                              const at::Tensor& k, const at::Tensor& v,
                                                              const at::Tensor& out, const at::Tensor& lse,
                                                              bool isCausal, double scale, const at::Tensor& seed,
                                                              const at::Tensor& offset) {
  return at::_scaled_dot_product_flash_attention_backward(dOut, q, k, v, out, lse, at::Tensor(), at::Tensor(),
                                                          q.size(2), k.size(2), 0.0, isCausal, seed, offset, scale);
}

struct PrefixFlash : torch::autograd::Function<PrefixFlash> {
  static Variable forward(AutogradContext* ctx, const Variable& q, const Variable& pk, const Variable& pv,
                          const Variable& sk, const Variable& sv, double scale) {
    at::AutoDispatchBelowADInplaceOrView guard;
    const auto rows = q.size(0);
    const auto first = attend(asOneRow(q), pk, pv, false, scale);
    const auto second = attend(q, sk, sv, true, scale);
    const auto l1 = lseAsRows(first.lse, rows);
    const auto share = (l1 - second.lse).sigmoid_().unsqueeze(-1).to(q.scalar_type());
    const auto out = at::lerp(second.out, asRows(first.out, rows), share);
    const auto lse = at::logaddexp(l1, second.lse).contiguous();
    ctx->save_for_backward(
        {q, pk, pv, sk, sv, out, lse, first.seed, first.offset, second.seed, second.offset});
    ctx->saved_data["scale"] = scale;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto &q = saved[0], &pk = saved[1], &pv = saved[2], &sk = saved[3], &sv = saved[4], &out = saved[5],
               &lse = saved[6];
    const double scale = ctx->saved_data["scale"].toDouble();
    const auto& dOut = gradients[0];
    const auto [dq1, dpk, dpv] = attendBackward(asOneRow(dOut), asOneRow(q), pk, pv, asOneRow(out),
                                                lseAsOneRow(lse).contiguous(), false, scale, saved[7], saved[8]);
    const auto [dq2, dsk, dsv] = attendBackward(dOut, q, sk, sv, out, lse, true, scale, saved[9], saved[10]);
    return {asRows(dq1, q.size(0)).add(dq2), dpk, dpv, dsk, dsv, Variable()};
  }
};

at::Tensor prefixFlash(const at::Tensor& q, const at::Tensor& pk, const at::Tensor& pv, const at::Tensor& sk,
                       const at::Tensor& sv, double scale) {
  checkPrefixShapes(q, pk, pv, sk, sv);
  TORCH_CHECK(!q.is_cpu(), "prefix_flash is for a GPU; the CPU has prefix_attention");
  return PrefixFlash::apply(q, pk, pv, sk, sv, scale);
}

/// PyTorch's own answer for these heads, dtype and card (bfloat16 or float16, from Ampere on). It is asked for the suffix; the prefix
/// differs in rows and tokens only, which flash attention takes in any number.
bool canPrefixFlash(const at::Tensor& q, const at::Tensor& sk, const at::Tensor& sv) {
  if (q.is_cpu()) return false;
  const auto choice = at::_fused_sdp_choice(q, sk, sv, {}, 0.0, true, {}, q.size(1) != sk.size(1));
  return choice == static_cast<int64_t>(at::SDPBackend::flash_attention);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(twgrpo, library) {
  library.def(
      "prefix_flash(Tensor query, Tensor prefix_key, Tensor prefix_value, Tensor suffix_key, Tensor suffix_value, "
      "float scale) -> Tensor",
      &prefixFlash);
  library.def("can_prefix_flash(Tensor query, Tensor suffix_key, Tensor suffix_value) -> bool", &canPrefixFlash);
}

}  // namespace twgrpo
