#include "tensor_table.h"

#include <algorithm>

namespace twgrpo {

TensorTable& TensorTable::current() {
  // Never destroyed: tensors must not be freed after libtorch's own statics are gone.
  thread_local TensorTable* table = new TensorTable();
  return *table;
}

const void* TensorTable::acquireStorage(const at::Tensor& tensor) {
  if (!tensor.has_storage()) return nullptr;
  const auto& storage = tensor.storage();
  const void* key = storage.unsafeGetStorageImpl();
  auto [entry, isNew] = storages_.insert({key, StorageUse{}});
  if (isNew) {
    entry->second.bytes = static_cast<int64_t>(storage.nbytes());
    entry->second.isOnHost = storage.device_type() == c10::DeviceType::CPU;
    count(entry->second, 1);
  }
  entry->second.handles += 1;
  return key;
}

void TensorTable::releaseStorage(const void* key) {
  if (key == nullptr) return;
  auto entry = storages_.find(key);
  if (--entry->second.handles > 0) return;
  count(entry->second, -1);
  storages_.erase(entry);
}

uint32_t TensorTable::add(at::Tensor tensor) {
  uint32_t handle;
  const void* key = acquireStorage(tensor);
  if (free_.empty()) {
    handle = static_cast<uint32_t>(slots_.size());
    slots_.push_back(Slot{std::move(tensor), key});
  } else {
    handle = free_.back();
    free_.pop_back();
    slots_[handle] = Slot{std::move(tensor), key};
  }
  live_ += 1;
  return handle;
}

const at::Tensor& TensorTable::get(uint32_t handle) const {
  if (handle >= slots_.size() || !slots_[handle].tensor.defined())
    throw ArgumentError("internal: tensor handle " + std::to_string(handle) + " is not live");
  return slots_[handle].tensor;
}

void TensorTable::release(uint32_t handle) {
  get(handle);  // throws when not live
  releaseStorage(slots_[handle].storage);
  slots_[handle] = Slot{};
  free_.push_back(handle);
  live_ -= 1;
}

void TensorTable::recount(uint32_t handle) {
  const void* before = slots_[handle].storage;
  slots_[handle].storage = acquireStorage(get(handle));
  releaseStorage(before);
}

void TensorTable::count(const StorageUse& storage, int sign) {
  bytes_ += sign * storage.bytes;
  if (storage.isOnHost) hostBytes_ += sign * storage.bytes;
}

void TensorTable::releaseCollected(napi_env env, uint32_t handle) {
  const auto before = hostBytes_;
  release(handle);
  // Steps too small to be told of must not make V8's sum negative.
  const auto most = std::max(most_ - (before - hostBytes_), hostBytes_);
  int64_t total;
  napi_adjust_external_memory(env, most - most_, &total);
  most_ = most;
}

void TensorTable::clear() {
  slots_.assign(1, Slot{});
  free_.clear();
  storages_.clear();
  live_ = 0;
  bytes_ = 0;
  hostBytes_ = 0;
  most_ = 0;
}

void TensorTable::resized(const void* storage, int64_t bytes) {
  auto entry = storages_.find(storage);
  if (entry == storages_.end()) return;
  bytes_ += bytes - entry->second.bytes;
  entry->second.bytes = bytes;
}

void TensorTable::reportMemory(napi_env env) {
  constexpr int64_t step = 4 << 20;
  if (hostBytes_ < most_ + step) return;
  int64_t total;
  napi_adjust_external_memory(env, hostBytes_ - most_, &total);
  most_ = hostBytes_;
}

namespace {

uint32_t toHandle(napi_env env, napi_value value) {
  uint32_t handle;
  if (napi_get_value_uint32(env, value, &handle) != napi_ok)
    throw ArgumentError("expected a tensor, got " + describe(env, value));
  return handle;
}

}  // namespace

const at::Tensor& toTensor(napi_env env, napi_value value) {
  return TensorTable::current().get(toHandle(env, value));
}

napi_value fromTensor(napi_env env, at::Tensor tensor) {
  if (!tensor.defined()) return null(env);
  auto& table = TensorTable::current();
  napi_value result;
  uint32_t handle = table.add(std::move(tensor));
  table.reportMemory(env);
  NAPI_OK(napi_create_uint32(env, handle, &result));
  return result;
}

std::vector<at::Tensor> toTensors(napi_env env, napi_value value) {
  return collect<std::vector<at::Tensor>>(env, toList(env, value), toTensor);
}

namespace {

EXPORTED(release, "dispose", 1) {
  TensorTable::current().release(toHandle(env, args[0]));
  return nullptr;
}

EXPORTED(recount, "set_", 1) {
  TensorTable::current().recount(toHandle(env, args[0]));
  return nullptr;
}

EXPORTED(releaseCollected, "releaseCollected", 1) {
  TensorTable::current().releaseCollected(env, toHandle(env, args[0]));
  return nullptr;
}

EXPORTED(liveTensors, "liveTensors", 0) { return number(env, TensorTable::current().liveTensors()); }

EXPORTED(liveBytes, "liveBytes", 0) { return number(env, TensorTable::current().liveBytes()); }

}  // namespace

}  // namespace twgrpo
