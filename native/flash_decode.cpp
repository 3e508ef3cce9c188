// Attention of the newest token of each row where flash attention runs, on a GPU:
//
//   twgrpo::flash_decode(query, key, value, query_starts, key_starts, used, most_queries, most_keys, scale) -> Tensor
//
// A row attends to its prompt, which it shares with the other rows of a group, and to its own tokens. Both are one call of flash attention
// over ragged sequences: first one for each prompt, asked by all its rows, then one for each row, asked by that row alone. So the queries come
// twice, one copy behind the other. The halves are merged by their log-sum-exps, as in prefix_flash.cpp.
//
// How many keys of a sequence count is read on the device (`used`), so that a captured graph of this call serves every length.
//
// Shapes: R rows, H query heads, K key/value heads (H a multiple of K), E head size, T keys of all sequences, N sequences; query (2 R, H, E);
// key and value (T, K, E); query_starts and key_starts int32 (N + 1); used int32 (N); result (R, H E).
#include <ATen/ATen.h>
#include <torch/library.h>

namespace twgrpo {

namespace {

at::Tensor flashDecode(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                       const at::Tensor& queryStarts, const at::Tensor& keyStarts, const at::Tensor& used,
                       int64_t mostQueries, int64_t mostKeys, double scale) {
  TORCH_CHECK(query.dim() == 3 && key.dim() == 3 && query.size(0) % 2 == 0 && query.size(2) == key.size(2),
              "query ", query.sizes(), " and key ", key.sizes(), " must be (2 R, H, E) and (T, K, E)");
  TORCH_CHECK(used.size(0) + 1 == queryStarts.size(0) && queryStarts.sizes() == keyStarts.sizes(),
              "starts of queries ", queryStarts.sizes(), " and keys ", keyStarts.sizes(),
              " must have one place more than there are sequences, ", used.sizes());
  const auto rows = query.size(0) / 2;
  const auto results =
      at::_flash_attention_forward(query, key, value, queryStarts, keyStarts, mostQueries, mostKeys, 0.0, false, false,
                                   scale, std::nullopt, std::nullopt, used);
  const auto& out = std::get<0>(results);
  const auto lse = std::get<1>(results).t();  // (2 R, H)
  const auto difference = lse.narrow(0, 0, rows) - lse.narrow(0, rows, rows);
  auto share = at::empty({rows, query.size(1)}, query.options());
  at::sigmoid_out(share, difference);
  return at::lerp(out.narrow(0, rows, rows), out.narrow(0, 0, rows), share.unsqueeze(-1)).reshape({rows, -1});
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(twgrpo, library) {
  library.def(
      "flash_decode(Tensor query, Tensor key, Tensor value, Tensor query_starts, Tensor key_starts, Tensor used, "
      "int most_queries, int most_keys, float scale) -> Tensor",
      &flashDecode);
}

}  // namespace twgrpo
