// What a device's allocator says of its memory, and telling it to give back what it keeps.
//
// Through libtorch's accelerator-neutral interface, which every build has from PyTorch 2.9 on; before that nothing is known.
#include <ATen/DeviceAccelerator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <torch/version.h>

#include "napi.h"

namespace twgrpo {

namespace {

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 9)
/// The device's allocator; null for the CPU, and where it keeps no account.
c10::DeviceAllocator* allocatorOf(const c10::Device& device) {
  if (device.is_cpu()) return nullptr;
  auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
  return allocator != nullptr && allocator->initialized() ? allocator : nullptr;
}

/// Free and whole memory of the device itself, where the allocator can tell: its interface asks from PyTorch 2.10 on.
template <typename Allocator>
std::optional<std::pair<size_t, size_t>> memoryInfo(Allocator& allocator, c10::DeviceIndex index) {
  if constexpr (requires { allocator.getMemoryInfo(index); }) {
    try {
      return allocator.getMemoryInfo(index);
    } catch (const c10::NotImplementedError&) {
    }
  }
  return {};
}
#else
struct NoAllocator {
  void emptyCache() {}
  void resetPeakStats(c10::DeviceIndex) {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) { return {}; }
};
NoAllocator* allocatorOf(const c10::Device&) { return nullptr; }
std::optional<std::pair<size_t, size_t>> memoryInfo(NoAllocator&, c10::DeviceIndex) { return {}; }
#endif

c10::DeviceIndex indexOf(const c10::Device& device) {
  return device.has_index() ? device.index() : static_cast<c10::DeviceIndex>(0);
}

/// deviceMemory(device) -> { allocated, peak, reserved, free?, total? } in bytes, or null where nothing is known
EXPORTED(deviceMemory, "deviceMemory", 1) {
  const c10::Device device(toString(env, args[0]));
  auto* allocator = allocatorOf(device);
  if (allocator == nullptr) return null(env);
  const auto stats = allocator->getDeviceStats(indexOf(device));
  napi_value result;
  NAPI_OK(napi_create_object(env, &result));
  auto set = [&](const char* key, int64_t value) {
    NAPI_OK(napi_set_named_property(env, result, key, integer(env, value)));
  };
  set("allocated", stats.allocated_bytes[0].current);
  set("peak", stats.allocated_bytes[0].peak);
  set("reserved", stats.reserved_bytes[0].current);
  if (const auto info = memoryInfo(*allocator, indexOf(device)); info.has_value()) {
    set("free", static_cast<int64_t>(info->first));
    set("total", static_cast<int64_t>(info->second));
  }
  return result;
}

/// resetPeakMemory(device): the peak starts again from what is allocated now
EXPORTED(resetPeakMemory, "resetPeakMemory", 1) {
  const c10::Device device(toString(env, args[0]));
  if (auto* allocator = allocatorOf(device); allocator != nullptr) allocator->resetPeakStats(indexOf(device));
  return nullptr;
}

/// emptyCache(device): memory that no tensor uses goes back to the device
EXPORTED(emptyCache, "emptyCache", 1) {
  const c10::Device device(toString(env, args[0]));
  if (auto* allocator = allocatorOf(device); allocator != nullptr) allocator->emptyCache();
  return nullptr;
}

/// synchronize(device): returns when all that was asked of the device is done
EXPORTED(synchronize, "synchronize", 1) {
  const c10::Device device(toString(env, args[0]));
  if (!device.is_cpu()) at::accelerator::synchronizeDevice(indexOf(device));
  return nullptr;
}

}  // namespace

}  // namespace twgrpo
