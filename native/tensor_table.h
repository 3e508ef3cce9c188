// Tensors that JavaScript holds, as small integer handles.
//
// A handle is an index into a table of one thread (a Node environment lives on one thread).
// Making a JavaScript object per tensor with a finalizer costs more than a small operator, so the
// table holds the references and TypeScript's scopes free the handles.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/flat_hash_map.h>

#include <cstdint>
#include <vector>

#include "napi.h"

namespace twgrpo {

class TensorTable {
 public:
  /// The table of this thread.
  static TensorTable& current();

  /// Stores a defined tensor and returns its handle (>= 1).
  uint32_t add(at::Tensor tensor);
  /// The tensor behind a handle; throws ArgumentError when the handle is not live.
  const at::Tensor& get(uint32_t handle) const;
  void release(uint32_t handle);
  /// Counts the storage that the tensor has now, after `set_` gave it another.
  void recount(uint32_t handle);
  /// The same for a tensor that V8 has collected: what it held counts no longer into the most that was held, so that the next
  /// such tensors bring V8 to collect as early as these did.
  void releaseCollected(napi_env env, uint32_t handle);
  void clear();
  /// A storage has another size now.
  void resized(const void* storage, int64_t bytes);

  size_t liveTensors() const { return live_; }
  /// Bytes of the storages that live handles refer to; views of one storage count once.
  int64_t liveBytes() const { return bytes_; }

  /// Tells V8, in steps of 4 MiB, of host memory beyond the most that was ever held: that may be tensors to collect. Memory that comes and
  /// goes below it is freed by scopes; told of it, V8 would collect garbage ten times in a training step, on the cores that compute.
  void reportMemory(napi_env env);

 private:
  struct StorageUse {
    uint32_t handles = 0;
    bool isOnHost = true;
    int64_t bytes = 0;
  };
  struct Slot {
    at::Tensor tensor;
    const void* storage = nullptr;  // the one that was counted
  };
  /// Counts one more handle of the tensor's storage. @returns its key, null without storage
  const void* acquireStorage(const at::Tensor& tensor);
  void releaseStorage(const void* key);
  void count(const StorageUse& storage, int sign);

  std::vector<Slot> slots_{Slot{}};  // slot 0 is never used
  std::vector<uint32_t> free_;
  ska::flat_hash_map<const void*, StorageUse> storages_;
  size_t live_ = 0;
  int64_t bytes_ = 0;
  /// Those of `bytes_` that lie in host memory: V8 can't make room on a device, and would collect without end beside a large model.
  int64_t hostBytes_ = 0;
  int64_t most_ = 0;
};

/// Reads a handle argument.
const at::Tensor& toTensor(napi_env env, napi_value value);
/// Stores a tensor and gives its handle to JavaScript; null for an undefined tensor.
napi_value fromTensor(napi_env env, at::Tensor tensor);
std::vector<at::Tensor> toTensors(napi_env env, napi_value value);

}  // namespace twgrpo
