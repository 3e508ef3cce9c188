// Bytes in and out, and what a tensor says of itself.
#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include <cstring>
#include <mutex>

#include "convert.h"
#include "tensor_table.h"

namespace twgrpo {

namespace {

struct Bytes {
  char* data = nullptr;
  size_t size = 0;
};

Bytes toBytes(napi_env env, napi_value value) {
  Bytes bytes;
  napi_typedarray_type type;
  size_t length, offset;
  napi_value buffer;
  void* data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, &buffer, &offset) != napi_ok)
    throw ArgumentError("expected a typed array, got " + describe(env, value));
  static constexpr size_t elementSizes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  if (static_cast<size_t>(type) >= std::size(elementSizes)) throw ArgumentError("unknown kind of typed array");
  bytes.data = static_cast<char*>(data);
  bytes.size = length * elementSizes[type];
  return bytes;
}

std::vector<int64_t> toShape(napi_env env, napi_value value) {
  auto shape = toInts(env, value);
  for (auto size : shape)
    if (size < 0) throw ArgumentError("a shape has no negative sizes");
  return shape;
}

size_t byteCount(const std::vector<int64_t>& shape, c10::ScalarType dtype) {
  size_t count = c10::elementSize(dtype);
  for (auto size : shape)
    if (__builtin_mul_overflow(count, static_cast<size_t>(size), &count)) throw ArgumentError("shape is too large");
  return count;
}

void checkSize(const Bytes& bytes, size_t expected) {
  if (bytes.size != expected)
    throw ArgumentError("array holds " + std::to_string(bytes.size) + " bytes, the shape and dtype need " +
                        std::to_string(expected));
}

/// A byte that is neither 0 nor 1 is no bool: kernels may do anything with it.
void checkBools(const Bytes& bytes) {
  for (size_t i = 0; i < bytes.size; ++i)
    if (static_cast<unsigned char>(bytes.data[i]) > 1)
      throw ArgumentError("a bool is a byte of 0 or 1, element " + std::to_string(i) + " is " +
                          std::to_string(static_cast<unsigned char>(bytes.data[i])));
}

/// JavaScript arrays that tensors borrow. The last tensor may die on another thread (autograd
/// workers of a GPU), where Node-API must not be called, so dead ones are queued and let go later.
struct Borrowed {
  std::mutex mutex;
  std::vector<napi_ref> dead;
  static Borrowed& current() {
    thread_local Borrowed* list = new Borrowed();
    return *list;
  }
  void letGo(napi_env env) {
    std::vector<napi_ref> refs;
    {
      std::lock_guard<std::mutex> lock(mutex);
      refs.swap(dead);
    }
    for (auto ref : refs) napi_delete_reference(env, ref);
  }
};

/// Uploads up to this size go through pinned memory, which PyTorch keeps for the next of them. Larger ones (pixels) are rare, and
/// wait as they always do.
constexpr size_t MOST_PINNED = 16 << 20;

/// A copy on a device. From pinned memory the device reads by itself: the host waits for nothing, and PyTorch holds the buffer
/// until it is read.
at::Tensor uploaded(const Bytes& bytes, const std::vector<int64_t>& shape, c10::ScalarType dtype,
                    const c10::Device& device) {
  const bool isPinned = bytes.size <= MOST_PINNED;
  auto staged = at::empty(shape, at::TensorOptions().dtype(dtype).pinned_memory(isPinned));
  if (bytes.size > 0) std::memcpy(staged.mutable_data_ptr(), bytes.data, bytes.size);
  return staged.to(device, /*non_blocking=*/isPinned);
}

/// fromBytes(typedArray, shape, dtype, isCopied, device) -> handle; on a device the bytes are always copied
EXPORTED(fromBytes, "fromTypedArray", 5) {
  auto bytes = toBytes(env, args[0]);
  auto shape = toShape(env, args[1]);
  auto dtype = parseDType(toString(env, args[2]));
  const c10::Device device(toString(env, args[4]));
  checkSize(bytes, byteCount(shape, dtype));
  if (dtype == c10::ScalarType::Bool) checkBools(bytes);
  if (!device.is_cpu()) return fromTensor(env, uploaded(bytes, shape, dtype, device));
  auto& borrowed = Borrowed::current();
  borrowed.letGo(env);
  if (toBool(env, args[3]) || bytes.size == 0) {
    auto tensor = at::empty(shape, at::TensorOptions().dtype(dtype));
    if (bytes.size > 0) std::memcpy(tensor.mutable_data_ptr(), bytes.data, bytes.size);
    return fromTensor(env, std::move(tensor));
  }
  if (reinterpret_cast<uintptr_t>(bytes.data) % c10::elementSize(dtype) != 0)
    throw ArgumentError("the array's memory is not aligned for " + toString(env, args[2]) + "; let it be copied");
  napi_ref ref;
  NAPI_OK(napi_create_reference(env, args[0], 1, &ref));
  auto* list = &borrowed;
  auto tensor = at::from_blob(
      bytes.data, shape,
      [list, ref](void*) {
        std::lock_guard<std::mutex> lock(list->mutex);
        list->dead.push_back(ref);
      },
      at::TensorOptions().dtype(dtype));
  return fromTensor(env, std::move(tensor));
}

/// copyOut(handle, typedArray): the values in row-major order, converted to nothing
EXPORTED(copyOut, "toTypedArray", 2) {
  auto tensor = toTensor(env, args[0]).detach().to(at::kCPU).resolve_conj().resolve_neg().contiguous();
  auto bytes = toBytes(env, args[1]);
  checkSize(bytes, tensor.nbytes());
  if (bytes.size > 0) std::memcpy(bytes.data, tensor.const_data_ptr(), bytes.size);
  return nullptr;
}

/// view(handle) -> ArrayBuffer over the tensor's own memory, which it keeps alive
EXPORTED(view, "view", 1) {
  const auto& tensor = toTensor(env, args[0]);
  if (!tensor.is_cpu() || !tensor.is_contiguous())
    throw ArgumentError("only a contiguous CPU tensor can be viewed; call contiguous() or toTypedArray()");
  napi_value buffer;
  if (tensor.nbytes() == 0) {  // Node makes a detached buffer of a null pointer
    NAPI_OK(napi_create_arraybuffer(env, 0, nullptr, &buffer));
    return buffer;
  }
  auto* owner = new at::Tensor(tensor.detach());
  // As Tensor.numpy() does: `resize_` would free the memory under the array.
  owner->storage().unsafeGetStorageImpl()->set_resizable(false);
  auto status = napi_create_external_arraybuffer(
      env, owner->mutable_data_ptr(), owner->nbytes(),
      [](napi_env, void*, void* hint) { delete static_cast<at::Tensor*>(hint); }, owner, &buffer);
  if (status != napi_ok) {
    delete owner;
    throw ArgumentError("this runtime does not allow views of native memory");
  }
  return buffer;
}

EXPORTED(shape, "shape", 1) {
  std::vector<napi_value> sizes;
  for (auto size : toTensor(env, args[0]).sizes()) sizes.push_back(integer(env, size));
  return array(env, sizes);
}

EXPORTED(dtype, "dtype", 1) { return string(env, dtypeName(toTensor(env, args[0]).scalar_type())); }

EXPORTED(device, "device", 1) { return string(env, toTensor(env, args[0]).device().str()); }

EXPORTED(isContiguous, "is_contiguous", 1) { return boolean(env, toTensor(env, args[0]).is_contiguous()); }

/// item(handle) -> the only value, as a number, boolean or (beyond 2^53) bigint
EXPORTED(item, "item", 1) {
  auto scalar = toTensor(env, args[0]).item();
  if (scalar.isBoolean()) return boolean(env, scalar.toBool());
  if (scalar.isIntegral(false)) return integer(env, scalar.toLong());
  return number(env, scalar.toDouble());
}

}  // namespace

}  // namespace twgrpo
