// Device, stream and events; the hooks behind `pin_memory` and resizing.
#include "device.h"

#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <algorithm>

#include "copies.h"
#include "counters.h"
#include "graph.h"
#include "launch.h"
#include "memory.h"

namespace strict {

namespace {

const c10::Device DEVICE(DEVICE_TYPE, 0);

/// An event is a place in the queue: after so many non-blocking copies.
struct Event {
  int64_t numCopies;
};

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return DEVICE_TYPE; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  c10::Device exchangeDevice(c10::Device) const override { return DEVICE; }
  c10::Device getDevice() const override { return DEVICE; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}

  static c10::Stream stream() { return c10::Stream(c10::Stream::DEFAULT, DEVICE); }
  c10::Stream getStream(c10::Device) const override { return stream(); }
  c10::Stream getDefaultStream(c10::Device) const override { return stream(); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return stream(); }
  c10::Stream getNewStream(c10::Device, int) const override { return stream(); }
  c10::Stream exchangeStream(c10::Stream) const override { return stream(); }
  bool isStreamCapturing(const c10::Stream&) const override { return isCapturing(); }
  /// Never known without waiting: a program that polls is told that all is done, and all is.
  bool queryStream(const c10::Stream&) const override {
    finishCopies(numQueuedCopies());
    return true;
  }
  void synchronizeStream(const c10::Stream&) const override { waitForDevice("synchronizeStream"); }
  void synchronizeDevice(c10::DeviceIndex) const override { waitForDevice("synchronizeDevice"); }

  void record(void** event, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {
    if (*event == nullptr) *event = new Event();
    static_cast<Event*>(*event)->numCopies = numQueuedCopies();
  }
  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override { delete static_cast<Event*>(event); }
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void* event) const override {
    finishCopies(static_cast<Event*>(event)->numCopies);
    return true;
  }
  void synchronizeEvent(void* event) const override {
    refuseInCapture("waits for the device", "synchronizeEvent");
    countWait("synchronizeEvent");
    finishCopies(static_cast<Event*>(event)->numCopies);
  }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
  bool isPinnedPtr(const void* pointer) const override { return isPinned(pointer); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &pinnedAllocator(); }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t bytes) const override {
    refuseInCapture("gives memory another size", "resize_");
    auto data = deviceAllocator().allocate(bytes);
    const auto kept = std::min(bytes, storage.nbytes());
    if (kept > 0) deviceAllocator().copy_data(data.get(), storage.data(), kept);
    storage.unsafeGetStorageImpl()->set_data_ptr_noswap(std::move(data));
    storage.unsafeGetStorageImpl()->set_nbytes(bytes);
  }
};

}  // namespace

void registerDevice() {
  static const bool isDone = [] {
    c10::register_privateuse1_backend("strict");
    c10::impl::DeviceGuardImplRegistrar(DEVICE_TYPE, new Guard());
    c10::SetAllocator(DEVICE_TYPE, &deviceAllocator());
    at::RegisterPrivateUse1HooksInterface(new Hooks());
    return true;
  }();
  (void)isDone;
}

}  // namespace strict
