// A step of decoding, from the embeddings of the newest token of each running row to the logits of the next, in one call:
//
//   twgrpo::decode(x, cos, sin, weights, prefix_keys, prefix_values, suffix_keys, suffix_values, rows, length, epsilon,
//                  final_norm, head, vocabulary) -> Tensor
//
// A step works on few rows, so that what an operator costs beside its work counts: a layer is some forty of them. Here it is seven
// parallel loops over the kernels of few_rows.cpp. The numbers are those of the layers made of single operators
// (src/models/decoder/text.ts), up to rounding.
//
// weights holds NUM_WEIGHTS of each layer (norms of query and key heads are empty where the model has none), suffix_keys and suffix_values one tensor (R, K, C, E) of each. Prefix keys and values are
// constant while rows continue a prompt, so they are packed like weights: of each layer, prompt and key head keys (P, E) and values
// (E, P), both as panels.
//
// Shapes: R rows (those of prompt p lie together, rows[p] of them), D hidden, H query heads, K key/value heads, N = H / K, E
// head size, P tokens of a prompt, C capacity of the suffixes, S = length: tokens of a suffix, the newest included.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "few_rows.h"

namespace twgrpo {

namespace {

/// The weights of a layer, in this order.
enum Weight { INPUT_NORM, QKV, QKV_BIAS, QUERY_NORM, KEY_NORM, OUT, POST_NORM, GATE, UP, DOWN, NUM_WEIGHTS };

void copyRow(const float* from, const at::Tensor& to, int64_t row) {
  std::copy_n(from, to.size(1), to.data_ptr<float>() + row * to.size(1));
}

/// x / rms(x) * w of one row, which may be `to` itself.
void rmsNormRow(const float* from, const float* w, int64_t width, double epsilon, float* to) {
  double squares = 0;
  for (int64_t i = 0; i < width; i++) squares += double(from[i]) * from[i];
  const float factor = float(1 / std::sqrt(squares / double(width) + epsilon));
  for (int64_t i = 0; i < width; i++) to[i] = from[i] * factor * w[i];
}

at::Tensor rmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  auto y = at::empty_like(x);
  const auto width = x.size(1);
  const float *from = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
  float* to = y.data_ptr<float>();
  for (int64_t row = 0; row < x.size(0); row++, from += width, to += width) rmsNormRow(from, w, width, epsilon, to);
  return y;
}

/// Norms the heads of each row that begin at column `first`, in place; a model without such a norm has an empty weight.
void normHeads(const at::Tensor& qkv, int64_t first, int64_t heads, const at::Tensor& weight, double epsilon) {
  const auto size = weight.numel();
  if (size == 0) return;
  const float* w = weight.const_data_ptr<float>();
  for (int64_t row = 0; row < qkv.size(0); row++) {
    float* head = qkv.data_ptr<float>() + row * qkv.size(1) + first;
    for (int64_t i = 0; i < heads; i++, head += size) rmsNormRow(head, w, size, epsilon, head);
  }
}

/// Turns one head; `sin` carries the sign of rotate_half.
void rotate(const float* __restrict x, const float* __restrict cos, const float* __restrict sin, int64_t size, float scale,
            float* __restrict to) {
  const auto half = size / 2;
  for (int64_t i = 0; i < half; i++) {
    to[i] = (x[i] * cos[i] + x[i + half] * sin[i]) * scale;
    to[i + half] = (x[i + half] * cos[i + half] + x[i] * sin[i + half]) * scale;
  }
}

struct Sizes {
  int64_t rows, heads, groups, repeats, size;
};

/// Queries scaled and turned, as (K, R, N, E); keys turned and values stored as the newest of the suffixes.
at::Tensor storeNewest(const at::Tensor& qkv, const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& suffixKey,
                       const at::Tensor& suffixValue, int64_t newest, const Sizes& s) {
  auto queries = at::empty({s.groups, s.rows, s.repeats, s.size}, qkv.options());
  const float scale = 1 / std::sqrt(float(s.size));
  float *q = queries.data_ptr<float>(), *keys = suffixKey.data_ptr<float>(), *values = suffixValue.data_ptr<float>();
  for (int64_t row = 0; row < s.rows; row++) {
    const float* from = qkv.const_data_ptr<float>() + row * qkv.size(1);
    const float *c = cos.const_data_ptr<float>() + row * s.size, *d = sin.const_data_ptr<float>() + row * s.size;
    for (int64_t head = 0; head < s.heads; head++, from += s.size) {
      const auto group = head / s.repeats, repeat = head % s.repeats;
      rotate(from, c, d, s.size, scale, q + ((group * s.rows + row) * s.repeats + repeat) * s.size);
    }
    for (int64_t group = 0; group < s.groups; group++, from += s.size)
      rotate(from, c, d, s.size, 1, keys + row * suffixKey.stride(0) + group * suffixKey.stride(1) + newest * s.size);
    for (int64_t group = 0; group < s.groups; group++, from += s.size)
      std::copy(from, from + s.size, values + row * suffixValue.stride(0) + group * suffixValue.stride(1) + newest * s.size);
  }
  return queries;
}

/// The rows that continue one prompt, and where its panels begin in the lists.
struct Prompt {
  int64_t firstRow, rows, length;
  size_t panels;
};

std::vector<Prompt> promptsOf(at::TensorList prefixValues, at::IntArrayRef rows, int64_t groups) {
  std::vector<Prompt> prompts;
  int64_t row = 0;
  for (size_t i = 0; i < rows.size(); row += rows[i++])
    if (rows[i] > 0) prompts.push_back({row, rows[i], prefixValues[i * groups].size(1), i * groups});
  return prompts;
}

/// Attention of each row to its prompt and to its own suffix: queries (K, R, N, E) to (R, K N E).
at::Tensor attend(const at::Tensor& queries, const std::vector<Prompt>& prompts, at::TensorList prefixKeys,
                  at::TensorList prefixValues, const at::Tensor& suffixKey, const at::Tensor& suffixValue, int64_t length,
                  const Sizes& s) {
  const auto& kernels = fewRows();
  int64_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, prompt.length);
  const auto places = longest + length;
  auto scores = at::empty({s.groups, s.rows, s.repeats, places}, queries.options());
  auto mixed = at::empty_like(queries);
  const float *q = queries.const_data_ptr<float>(), *keys = suffixKey.const_data_ptr<float>(),
              *values = suffixValue.const_data_ptr<float>();
  float *w = scores.data_ptr<float>(), *out = mixed.data_ptr<float>();
  const auto query = [&](int64_t group, int64_t row) { return (group * s.rows + row) * s.repeats; };
  const auto suffix = [&](int64_t row, int64_t group) { return row * suffixKey.stride(0) + group * suffixKey.stride(1); };

  for (const auto& prompt : prompts) {
    const auto panels = prefixKeys[prompt.panels].size(0);
    at::parallel_for(0, s.groups * panels, 4, [&](int64_t begin, int64_t end) {
      for (auto i = begin; i < end; i++) {
        const auto group = i / panels, panel = i % panels, first = query(group, prompt.firstRow);
        kernels.product(q + first * s.size, prompt.rows * s.repeats, s.size,
                        prefixKeys[prompt.panels + group].const_data_ptr<float>() + panel * s.size * LANES, LANES, s.size,
                        w + first * places + panel * LANES, places, std::min(LANES, prompt.length - panel * LANES), false);
      }
    });
  }
  for (const auto& prompt : prompts) {
    at::parallel_for(0, s.groups * prompt.rows, 1, [&](int64_t begin, int64_t end) {
      for (auto i = begin; i < end; i++) {
        const auto group = i / prompt.rows, row = prompt.firstRow + i % prompt.rows;
        for (auto at = query(group, row); at < query(group, row) + s.repeats; at++) {
          kernels.dots(q + at * s.size, keys + suffix(row, group), length, s.size, w + at * places + prompt.length);
          kernels.softmax(w + at * places, prompt.length + length);
        }
      }
    });
  }
  const auto panels = s.size / LANES;
  for (const auto& prompt : prompts) {
    at::parallel_for(0, s.groups * panels, 1, [&](int64_t begin, int64_t end) {
      for (auto i = begin; i < end; i++) {
        const auto group = i / panels, lane = i % panels * LANES, first = query(group, prompt.firstRow);
        kernels.product(w + first * places, prompt.rows * s.repeats, places,
                        prefixValues[prompt.panels + group].const_data_ptr<float>() + lane * prompt.length, LANES,
                        prompt.length, out + first * s.size + lane, s.size, LANES, false);
        for (auto row = prompt.firstRow; row < prompt.firstRow + prompt.rows; row++) {
          const auto at = query(group, row);
          kernels.product(w + at * places + prompt.length, s.repeats, places, values + suffix(row, group) + lane, s.size,
                          length, out + at * s.size + lane, s.size, LANES, true);
        }
      }
    });
  }
  auto byRow = at::empty({s.rows, s.heads * s.size}, queries.options());
  float* to = byRow.data_ptr<float>();
  const auto width = s.repeats * s.size;
  for (int64_t row = 0; row < s.rows; row++)
    for (int64_t group = 0; group < s.groups; group++, to += width) std::copy_n(out + query(group, row) * s.size, width, to);
  return byRow;
}

/// silu(x W_gate^T) * (x W_up^T).
at::Tensor gated(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& up, int64_t width) {
  const auto& kernels = fewRows();
  const auto rows = x.size(0), in = x.size(1);
  auto y = at::empty({rows, width}, x.options());
  const float* from = x.const_data_ptr<float>();
  float* to = y.data_ptr<float>();
  at::parallel_for(0, gate.size(0), 1, [&](int64_t begin, int64_t end) {
    std::vector<float> other(rows * LANES);
    for (auto panel = begin; panel < end; panel++) {
      const auto lanes = std::min(LANES, width - panel * LANES), at = panel * in * LANES;
      float* own = to + panel * LANES;
      kernels.product(from, rows, in, gate.const_data_ptr<float>() + at, LANES, in, own, width, lanes, false);
      kernels.product(from, rows, in, up.const_data_ptr<float>() + at, LANES, in, other.data(), LANES, LANES, false);
      for (int64_t row = 0; row < rows; row++)
        kernels.swiglu(own + row * width, other.data() + row * LANES, lanes, own + row * width);
    }
  });
  return y;
}

void check(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, at::TensorList weights,
           at::TensorList prefixKeys, at::TensorList prefixValues, const at::Tensor& suffixKey,
           const at::Tensor& suffixValue, at::IntArrayRef rows, int64_t length) {
  for (const at::Tensor* t : {&x, &cos, &sin, &suffixKey, &suffixValue}) {
    TORCH_CHECK(t->is_cpu() && t->scalar_type() == at::kFloat && t->is_contiguous(),
                "decode has only a CPU kernel for contiguous float32, got ", t->toString(), " ", t->sizes());
  }
  TORCH_CHECK(x.dim() == 2 && suffixKey.dim() == 4, "x must have 2 dimensions and the suffixes 4");
  TORCH_CHECK(suffixKey.sizes() == suffixValue.sizes() && suffixKey.size(0) == x.size(0), "suffixes ",
              suffixKey.sizes(), " and ", suffixValue.sizes(), " do not fit x ", x.sizes());
  TORCH_CHECK(length >= 1 && length <= suffixKey.size(2), "length ", length, " is outside of the suffixes' ",
              suffixKey.size(2), " places");
  TORCH_CHECK(cos.numel() == x.size(0) * suffixKey.size(3) && sin.numel() == cos.numel(), "cos ", cos.sizes(),
              " must hold an angle for each row and place of a head");
  const auto groups = static_cast<size_t>(suffixKey.size(1));
  const auto size = suffixKey.size(3);
  TORCH_CHECK(size % LANES == 0, "heads of ", size, " numbers: decode wants a multiple of ", LANES);
  TORCH_CHECK(prefixKeys.size() == rows.size() * groups, "the layers must have the same number of key heads");
  for (size_t i = 0; i < prefixKeys.size(); i++) {
    const auto &key = prefixKeys[i], &value = prefixValues[i];
    const auto tokens = prefixValues[i - i % groups].size(1);
    TORCH_CHECK(arePanels(key, tokens, size) && arePanels(value, size, tokens),
                "panels of prefix keys ", key.sizes(), " and values ", value.sizes(), " do not fit suffixes ", suffixKey.sizes());
  }
  for (const auto count : rows) TORCH_CHECK(count >= 0, "a prompt with ", count, " rows");
  const auto total = std::accumulate(rows.begin(), rows.end(), int64_t(0));
  TORCH_CHECK(total == x.size(0), "the prompts have ", total, " rows, x has ", x.size(0));
  TORCH_CHECK(weights[QKV_BIAS].is_contiguous(), "the bias must be contiguous");
  for (auto norm : {INPUT_NORM, POST_NORM})
    TORCH_CHECK(weights[norm].numel() == x.size(1) && weights[norm].is_contiguous(), "a norm's weight must fit x ", x.sizes());
  for (auto norm : {QUERY_NORM, KEY_NORM})
    TORCH_CHECK((weights[norm].numel() == 0 || weights[norm].numel() == size) && weights[norm].is_contiguous(),
                "a norm of heads must have ", size, " numbers, or none");
  for (auto half : {GATE, UP})
    TORCH_CHECK(arePanels(weights[half], weights[DOWN].size(1), x.size(1)),
                "panels of gate or up ", weights[half].sizes(), " do not fit x ", x.sizes(), " and down ", weights[DOWN].sizes());
}

at::Tensor decodeLayer(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, at::TensorList weights,
                       at::TensorList prefixKeys, at::TensorList prefixValues, const at::Tensor& suffixKey,
                       const at::Tensor& suffixValue, at::IntArrayRef rows, int64_t length, double epsilon) {
  check(x, cos, sin, weights, prefixKeys, prefixValues, suffixKey, suffixValue, rows, length);
  auto qkv = at::empty({x.size(0), weights[QKV_BIAS].numel()}, x.options());
  for (int64_t row = 0; row < x.size(0); row++) copyRow(weights[QKV_BIAS].const_data_ptr<float>(), qkv, row);
  panelLinear(rmsNorm(x, weights[INPUT_NORM], epsilon), weights[QKV], qkv, true);
  const auto groups = suffixKey.size(1), size = suffixKey.size(3);
  const auto heads = qkv.size(1) / size - 2 * groups;
  TORCH_CHECK(heads > 0 && heads % groups == 0 && qkv.size(1) % size == 0, "a query, key and value projection of width ",
              qkv.size(1), " does not fit ", groups, " key heads of size ", size);
  const Sizes sizes{x.size(0), heads, groups, heads / groups, size};
  normHeads(qkv, 0, heads, weights[QUERY_NORM], epsilon);
  normHeads(qkv, heads * size, groups, weights[KEY_NORM], epsilon);
  auto queries = storeNewest(qkv, cos, sin, suffixKey, suffixValue, length - 1, sizes);
  auto attended = attend(queries, promptsOf(prefixValues, rows, groups), prefixKeys, prefixValues, suffixKey, suffixValue,
                         length, sizes);
  auto h = x.clone();
  panelLinear(attended, weights[OUT], h, true);
  panelLinear(gated(rmsNorm(h, weights[POST_NORM], epsilon), weights[GATE], weights[UP], weights[DOWN].size(1)), weights[DOWN],
              h, true);
  return h;
}

at::Tensor decode(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, at::TensorList weights,
                  at::TensorList prefixKeys, at::TensorList prefixValues, at::TensorList suffixKeys,
                  at::TensorList suffixValues, at::IntArrayRef rows, int64_t length, double epsilon,
                  const at::Tensor& finalNorm, const at::Tensor& head, int64_t vocabulary) {
  const auto layers = suffixKeys.size();
  TORCH_CHECK(layers > 0 && suffixValues.size() == layers && weights.size() == layers * NUM_WEIGHTS,
              "decode expects ", int(NUM_WEIGHTS), " weights, suffix keys and suffix values of each layer, got ", weights.size(),
              ", ", layers, " and ", suffixValues.size());
  TORCH_CHECK(suffixKeys[0].dim() == 4, "suffixes must have 4 dimensions, got ", suffixKeys[0].sizes());
  const auto prefixes = rows.size() * size_t(suffixKeys[0].size(1));
  TORCH_CHECK(prefixKeys.size() == layers * prefixes && prefixValues.size() == prefixKeys.size(),
              "a prefix for each layer, prompt and key head: expected ", layers * prefixes, ", got ", prefixKeys.size(),
              " keys and ", prefixValues.size(), " values");
  at::NoGradGuard noGrad;
  auto h = x;
  for (size_t layer = 0; layer < layers; layer++)
    h = decodeLayer(h, cos, sin, weights.slice(layer * NUM_WEIGHTS, NUM_WEIGHTS), prefixKeys.slice(layer * prefixes, prefixes),
                    prefixValues.slice(layer * prefixes, prefixes), suffixKeys[layer], suffixValues[layer], rows, length, epsilon);
  TORCH_CHECK(finalNorm.numel() == h.size(1) && finalNorm.is_contiguous(), "the final norm must fit x ", h.sizes());
  auto logits = at::empty({h.size(0), vocabulary}, h.options());
  panelLinear(rmsNorm(h, finalNorm, epsilon), head, logits, false);
  return logits;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(twgrpo, library) {
  library.def(
      "decode(Tensor x, Tensor cos, Tensor sin, Tensor[] weights, Tensor[] prefix_keys, Tensor[] prefix_values, "
      "Tensor(a!)[] suffix_keys, Tensor(b!)[] suffix_values, int[] rows, int length, float epsilon, Tensor final_norm, Tensor head, "
      "int vocabulary) -> Tensor",
      &decode);
}

}  // namespace twgrpo
