// Device memory that the host can't read, and pinned memory of the host.
//
// One range of addresses is reserved that nobody may touch; a device pointer lies in it. The bytes themselves lie a fixed distance
// behind, where only this folder looks. So a host read of a device pointer is a segmentation fault, as it is on a GPU, and no page has
// to be protected and unprotected around each operator.
//
// Memory that was freed, or never written, reads as NaN (all bits set).
#pragma once

#include <c10/core/CachingDeviceAllocator.h>

#include <cstdint>

namespace strict {

constexpr auto DEVICE_TYPE = c10::DeviceType::PrivateUse1;

c10::DeviceAllocator& deviceAllocator();
/// Where the bytes behind a device pointer are.
char* bytesBehind(const void* devicePointer);

struct MemoryUse {
  int64_t live;
  int64_t peak;
};
/// Bytes as tensors asked for them: no rounding, no fragmentation.
MemoryUse memoryUse();
/// What would make live bytes more than this is a c10::OutOfMemoryError; below 0: no limit.
void limitMemory(int64_t bytes);
/// The peak starts again from what is live now.
void resetPeak();

/// Host memory a GPU could read by itself: the only memory that a copy doesn't wait for.
c10::Allocator& pinnedAllocator();
bool isPinned(const void* pointer);

}  // namespace strict
