// One decoder layer for the newest token of each running row, in one call:
//
//   twgrpo::decode_layer(x, cos, sin, weights, prefix_keys, prefix_values, suffix_key, suffix_value, rows, length,
//                        epsilon) -> Tensor
//
// A step of decoding works on few rows, so that what an operator costs beside its work counts: a layer is some
// forty of them. Here it is two dozen without the way through JavaScript and the dispatcher's boxes, and products read
// weights that `pack_linear_weight` has put in oneDNN's blocked order (8 rows on an AMD Zen 5: half the time of MKL on plain ones).
//
// The numbers are those of the layer made of single operators (src/models/qwen2-5-vl/text.ts), up to rounding.
//
// Prefix keys and values are constant while rows continue a prompt, so they are packed like weights: for each prompt and key
// head keys (P, E) and values (E, P).
//
// Shapes: R rows (those of prompt p lie together, rows[p] of them), D hidden, H query heads, K key/value heads, N = H / K, E
// head size, P tokens of a prompt, C capacity of the suffixes, S = length: tokens of a suffix, the newest included.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "linear.h"

namespace twgrpo {

namespace {

/// weights, in this order.
enum Weight { INPUT_NORM, QKV, QKV_BIAS, OUT, POST_NORM, GATE_UP, DOWN, NUM_WEIGHTS };

/// x / rms(x) * w of each row.
at::Tensor rmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  auto y = at::empty_like(x);
  const auto width = x.size(1);
  const float *from = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
  float* to = y.data_ptr<float>();
  for (int64_t row = 0; row < x.size(0); row++, from += width, to += width) {
    double squares = 0;
    for (int64_t i = 0; i < width; i++) squares += double(from[i]) * from[i];
    const float factor = float(1 / std::sqrt(squares / double(width) + epsilon));
    for (int64_t i = 0; i < width; i++) to[i] = from[i] * factor * w[i];
  }
  return y;
}

/// Turns one head; `sin` carries the sign of rotate_half.
void rotate(const float* x, const float* cos, const float* sin, int64_t size, float scale, float* to) {
  const auto half = size / 2;
  for (int64_t i = 0; i < half; i++) {
    to[i] = (x[i] * cos[i] + x[i + half] * sin[i]) * scale;
    to[i + half] = (x[i + half] * cos[i + half] + x[i] * sin[i + half]) * scale;
  }
}

struct Sizes {
  int64_t rows, heads, groups, repeats, size;
};

/// Queries scaled and turned, as (R, K, N, E); keys turned and values stored as the newest of the suffixes.
at::Tensor storeNewest(const at::Tensor& qkv, const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& suffixKey,
                       const at::Tensor& suffixValue, int64_t newest, const Sizes& s) {
  auto queries = at::empty({s.rows, s.groups, s.repeats, s.size}, qkv.options());
  const float scale = 1 / std::sqrt(float(s.size));
  float *q = queries.data_ptr<float>(), *keys = suffixKey.data_ptr<float>(), *values = suffixValue.data_ptr<float>();
  for (int64_t row = 0; row < s.rows; row++) {
    const float* from = qkv.const_data_ptr<float>() + row * qkv.size(1);
    const float *c = cos.const_data_ptr<float>() + row * s.size, *d = sin.const_data_ptr<float>() + row * s.size;
    for (int64_t head = 0; head < s.heads; head++, from += s.size, q += s.size) rotate(from, c, d, s.size, scale, q);
    for (int64_t group = 0; group < s.groups; group++, from += s.size)
      rotate(from, c, d, s.size, 1, keys + row * suffixKey.stride(0) + group * suffixKey.stride(1) + newest * s.size);
    for (int64_t group = 0; group < s.groups; group++, from += s.size)
      std::copy(from, from + s.size, values + row * suffixValue.stride(0) + group * suffixValue.stride(1) + newest * s.size);
  }
  return queries;
}

/// Attention of G rows of one prompt to it and to their own suffixes. queries (G, K, N, E), keys K times (P, E), values K times
/// (E, P), suffixes (G, K, S, E); (G, K, N, E).
at::Tensor attend(const at::Tensor& queries, at::TensorList prefixKeys, at::TensorList prefixValues,
                  const at::Tensor& suffixKey, const at::Tensor& suffixValue) {
  const auto rows = queries.size(0), groups = queries.size(1), repeats = queries.size(2), size = queries.size(3);
  const auto shared = prefixKeys[0].size(0), own = suffixKey.size(2);
  // All rows of a key head as queries of the one prefix, and the other way round.
  auto byHead = queries.transpose(0, 1).reshape({groups, rows * repeats, size});
  auto scores = at::empty({groups, rows * repeats, shared + own}, queries.options());
  for (int64_t group = 0; group < groups; group++)
    scores.select(0, group).narrow(1, 0, shared).copy_(product(byHead.select(0, group), prefixKeys[group]));
  auto ownScores = scores.view({groups, rows, repeats, shared + own}).narrow(3, shared, own);
  // Flattened as views: `matmul` would copy the whole suffix.
  auto ofOwn = at::bmm(queries.flatten(0, 1), suffixKey.flatten(0, 1).transpose(1, 2));
  ownScores.copy_(ofOwn.view({rows, groups, repeats, own}).transpose(0, 1));
  auto weights = at::_softmax(scores, -1, false);
  auto ownWeights = weights.view({groups, rows, repeats, shared + own}).narrow(3, shared, own).transpose(0, 1);
  auto out = at::bmm(ownWeights.reshape({rows * groups, repeats, own}), suffixValue.flatten(0, 1))
                 .view({rows, groups, repeats, size});
  for (int64_t group = 0; group < groups; group++) {
    auto fromPrefix = product(weights.select(0, group).narrow(1, 0, shared).contiguous(), prefixValues[group]);
    out.select(1, group).add_(fromPrefix.view({rows, repeats, size}));
  }
  return out;
}

void check(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, at::TensorList weights,
           at::TensorList prefixKeys, at::TensorList prefixValues, const at::Tensor& suffixKey,
           const at::Tensor& suffixValue, at::IntArrayRef rows, int64_t length) {
  TORCH_CHECK(weights.size() == NUM_WEIGHTS, "decode_layer expects ", int(NUM_WEIGHTS), " weights, got ", weights.size());
  for (const at::Tensor* t : {&x, &cos, &sin, &suffixKey, &suffixValue}) {
    TORCH_CHECK(t->is_cpu() && t->scalar_type() == at::kFloat && t->is_contiguous(),
                "decode_layer has only a CPU kernel for contiguous float32, got ", t->toString(), " ", t->sizes());
  }
  TORCH_CHECK(x.dim() == 2 && suffixKey.dim() == 4, "x must have 2 dimensions and the suffixes 4");
  TORCH_CHECK(suffixKey.sizes() == suffixValue.sizes() && suffixKey.size(0) == x.size(0), "suffixes ",
              suffixKey.sizes(), " and ", suffixValue.sizes(), " do not fit x ", x.sizes());
  TORCH_CHECK(length >= 1 && length <= suffixKey.size(2), "length ", length, " is outside of the suffixes' ",
              suffixKey.size(2), " places");
  TORCH_CHECK(cos.numel() == x.size(0) * suffixKey.size(3) && sin.numel() == cos.numel(), "cos ", cos.sizes(),
              " must hold an angle for each row and place of a head");
  const auto groups = static_cast<size_t>(suffixKey.size(1));
  TORCH_CHECK(prefixKeys.size() == rows.size() * groups && prefixValues.size() == prefixKeys.size(),
              "a prefix for each prompt and key head: ", rows.size(), " prompts, ", groups, " key heads, ", prefixKeys.size(),
              " keys and ", prefixValues.size(), " values");
  for (size_t i = 0; i < prefixKeys.size(); i++) {
    const auto &key = prefixKeys[i], &value = prefixValues[i];
    TORCH_CHECK(key.dim() == 2 && value.dim() == 2 && key.size(1) == suffixKey.size(3) && value.size(0) == key.size(1) &&
                    value.size(1) == key.size(0),
                "prefix keys ", key.sizes(), " and values ", value.sizes(), " do not fit suffixes ", suffixKey.sizes());
  }
  const auto total = std::accumulate(rows.begin(), rows.end(), int64_t(0));
  TORCH_CHECK(total == x.size(0), "the prompts have ", total, " rows, x has ", x.size(0));
  for (auto norm : {INPUT_NORM, POST_NORM})
    TORCH_CHECK(weights[norm].numel() == x.size(1) && weights[norm].is_contiguous(), "a norm's weight must fit x ", x.sizes());
}

at::Tensor decodeLayer(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, at::TensorList weights,
                       at::TensorList prefixKeys, at::TensorList prefixValues, const at::Tensor& suffixKey,
                       const at::Tensor& suffixValue, at::IntArrayRef rows, int64_t length, double epsilon) {
  check(x, cos, sin, weights, prefixKeys, prefixValues, suffixKey, suffixValue, rows, length);
  at::NoGradGuard noGrad;
  auto qkv = product(rmsNorm(x, weights[INPUT_NORM], epsilon), weights[QKV], weights[QKV_BIAS]);
  const auto groups = suffixKey.size(1), size = suffixKey.size(3);
  const auto heads = qkv.size(1) / size - 2 * groups;
  TORCH_CHECK(heads > 0 && heads % groups == 0 && qkv.size(1) % size == 0, "a query, key and value projection of width ",
              qkv.size(1), " does not fit ", groups, " key heads of size ", size);
  const Sizes sizes{x.size(0), heads, groups, heads / groups, size};
  auto queries = storeNewest(qkv, cos, sin, suffixKey, suffixValue, length - 1, sizes);

  auto attended = at::empty_like(queries);
  int64_t row = 0;
  for (size_t prompt = 0; prompt < rows.size(); prompt++) {
    const auto count = rows[prompt];
    if (count == 0) continue;
    const auto past = [&](const at::Tensor& t) { return t.narrow(0, row, count).narrow(2, 0, length); };
    attended.narrow(0, row, count)
        .copy_(attend(queries.narrow(0, row, count), prefixKeys.slice(prompt * groups, groups),
                      prefixValues.slice(prompt * groups, groups), past(suffixKey), past(suffixValue)));
    row += count;
  }
  auto h = product(attended.view({x.size(0), heads * size}), weights[OUT]).add_(x);
  auto gateUp = product(rmsNorm(h, weights[POST_NORM], epsilon), weights[GATE_UP]).chunk(2, 1);
  return product(at::silu(gateUp[0]).mul_(gateUp[1]), weights[DOWN]).add_(h);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(twgrpo, library) {
  library.def(
      "decode_layer(Tensor x, Tensor cos, Tensor sin, Tensor[] weights, Tensor[] prefix_keys, Tensor[] prefix_values, "
      "Tensor(a!) suffix_key, Tensor(b!) suffix_value, int[] rows, int length, float epsilon) -> Tensor",
      &decodeLayer);
}

}  // namespace twgrpo
