// Allocators of device memory and of pinned host memory.
#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "dry.h"
#include "launch.h"

namespace strict {

namespace {

/// Distance from a pointer to its bytes, and size of the device: 4 TiB of address space, taken page by page.
constexpr size_t SHIFT = size_t(1) << 42;
constexpr size_t SMALLEST = 512;
constexpr int POISON = 0xff;

std::mutex mutex;

/// Blocks are powers of two, so that one that is freed serves the next request of about its size.
size_t blockSize(size_t bytes) {
  size_t size = SMALLEST;
  while (size < bytes) size *= 2;
  return size;
}

void freeDeviceMemory(void* pointer);

struct DeviceMemory final : c10::DeviceAllocator {
  char* base;
  size_t top = 0;
  int64_t live = 0;
  int64_t peak = 0;
  int64_t limit = std::numeric_limits<int64_t>::max();
  std::map<size_t, std::vector<char*>> freeBlocks;
  std::unordered_map<void*, size_t> sizes;

  DeviceMemory() {
    base = static_cast<char*>(
        mmap(nullptr, 2 * SHIFT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    TORCH_CHECK(base != MAP_FAILED && mprotect(base + SHIFT, SHIFT, PROT_READ | PROT_WRITE) == 0,
                "strict: no address space of ", 2 * SHIFT, " bytes");
  }

  c10::DataPtr allocate(size_t bytes) override {
    const c10::Device device(DEVICE_TYPE, 0);
    if (bytes == 0) return {nullptr, nullptr, &freeDeviceMemory, device};
    std::lock_guard<std::mutex> lock(mutex);
    TORCH_CHECK_WITH(OutOfMemoryError, live + static_cast<int64_t>(bytes) <= limit, "strict: out of memory: ", bytes,
                     " bytes beside ", live, " of ", limit);
    const size_t size = blockSize(bytes);
    auto& blocks = freeBlocks[size];
    char* at;
    if (blocks.empty()) {
      TORCH_CHECK_WITH(OutOfMemoryError, size <= SHIFT - top, "strict: out of memory");
      at = base + top;
      top += size;
      poison(at, bytes);
    } else {
      at = blocks.back();
      blocks.pop_back();
    }
    sizes[at] = bytes;
    live += bytes;
    peak = std::max(peak, live);
    return {at, at, &freeDeviceMemory, device};
  }

  void free(void* pointer) {
    std::lock_guard<std::mutex> lock(mutex);
    const auto found = sizes.find(pointer);
    const size_t bytes = found->second;
    sizes.erase(found);
    live -= bytes;
    poison(pointer, bytes);
    freeBlocks[blockSize(bytes)].push_back(static_cast<char*>(pointer));
  }

  /// Not for what a dry operator never wrote: its pages would become real.
  void poison(void* pointer, size_t bytes) {
    if (!isDry(bytes)) memset(static_cast<char*>(pointer) + SHIFT, POISON, bytes);
  }

  c10::DeleterFnPtr raw_deleter() const override { return &freeDeviceMemory; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    memcpy(bytesBehind(to), bytesBehind(from), bytes);
  }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override { waitForDevice("empty_cache"); }
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override { resetPeak(); }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    c10::CachingDeviceAllocator::DeviceStats stats;
    const auto use = memoryUse();
    stats.allocated_bytes[0].current = use.live;
    stats.allocated_bytes[0].peak = use.peak;
    stats.reserved_bytes[0].current = static_cast<int64_t>(top);
    return stats;
  }
};

// Neither allocator is ever destroyed: tensors outlive the end of a program's main function.
DeviceMemory& deviceMemory() {
  static auto* memory = new DeviceMemory();
  return *memory;
}

void freeDeviceMemory(void* pointer) {
  if (pointer != nullptr) deviceMemory().free(pointer);
}

void freePinnedMemory(void* pointer);

struct PinnedMemory final : c10::Allocator {
  /// End of each block by its begin.
  std::map<const char*, const char*> blocks;

  c10::DataPtr allocate(size_t bytes) override {
    constexpr size_t ALIGNMENT = 64;
    const size_t size = (std::max<size_t>(bytes, 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char* at = static_cast<char*>(std::aligned_alloc(ALIGNMENT, size));
    TORCH_CHECK(at != nullptr, "strict: no pinned memory of ", bytes, " bytes");
    std::lock_guard<std::mutex> lock(mutex);
    blocks[at] = at + size;
    return {at, at, &freePinnedMemory, c10::Device(c10::kCPU)};
  }
  void free(void* pointer) {
    std::lock_guard<std::mutex> lock(mutex);
    blocks.erase(static_cast<char*>(pointer));
    std::free(pointer);
  }
  bool holds(const char* pointer) {
    std::lock_guard<std::mutex> lock(mutex);
    const auto after = blocks.upper_bound(pointer);
    return after != blocks.begin() && pointer < std::prev(after)->second;
  }
  c10::DeleterFnPtr raw_deleter() const override { return &freePinnedMemory; }
  void copy_data(void* to, const void* from, size_t bytes) const override { memcpy(to, from, bytes); }
};

PinnedMemory& pinnedMemory() {
  static auto* memory = new PinnedMemory();
  return *memory;
}

void freePinnedMemory(void* pointer) { pinnedMemory().free(pointer); }

}  // namespace

c10::DeviceAllocator& deviceAllocator() { return deviceMemory(); }

char* bytesBehind(const void* devicePointer) {
  return static_cast<char*>(const_cast<void*>(devicePointer)) + SHIFT;
}

MemoryUse memoryUse() {
  std::lock_guard<std::mutex> lock(mutex);
  return {deviceMemory().live, deviceMemory().peak};
}

void limitMemory(int64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex);
  deviceMemory().limit = bytes < 0 ? std::numeric_limits<int64_t>::max() : bytes;
}

void resetPeak() {
  std::lock_guard<std::mutex> lock(mutex);
  deviceMemory().peak = deviceMemory().live;
}

c10::Allocator& pinnedAllocator() { return pinnedMemory(); }
bool isPinned(const void* pointer) { return pinnedMemory().holds(static_cast<const char*>(pointer)); }

}  // namespace strict
