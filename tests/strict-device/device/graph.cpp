// The device's graph, and the queue it records (launch.h).
#include "graph.h"

#include <ATen/core/GraphImplInterface.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <vector>

#include "copies.h"
#include "counters.h"
#include "launch.h"

namespace strict {

namespace {

using Recording = std::vector<std::function<void()>>;
/// Of the whole process: autograd's thread works for the thread that captures.
std::atomic<Recording*> current{nullptr};

struct StrictGraph final : at::GraphImplInterface {
  Recording recording;

  explicit StrictGraph(const at::GraphImplArgs&) {}
  ~StrictGraph() override {
    if (current == &recording) current = nullptr;
  }

  void capture_begin(at::MempoolId_t, at::GraphCaptureMode) override {
    TORCH_CHECK(current == nullptr, "strict: a graph is being captured already");
    TORCH_CHECK(recording.empty(), "strict: this graph was captured before; reset it first");
    current = &recording;
  }
  void capture_end() override {
    TORCH_CHECK(current == &recording, "strict: this graph is not being captured");
    current = nullptr;
  }
  void replay() override {
    TORCH_CHECK(current == nullptr, "strict: a graph can't be replayed while one is captured");
    TORCH_CHECK(!recording.empty(), "strict: nothing was captured");
    countLaunch("graph");
    for (const auto& work : recording) work();
  }
  void reset() override { recording.clear(); }
  void instantiate() override {}
  at::MempoolId_t pool() const override { return {0, 0}; }
  void enable_debug_mode() override {}
  void debug_dump(const std::string&) override { TORCH_CHECK(false, "strict: graphs are not dumped"); }
};

}  // namespace

bool isCapturing() { return current != nullptr; }

void record(const std::function<void()>& work) { current.load()->push_back(work); }

void refuseInCapture(const char* what, const std::string& name) {
  TORCH_CHECK(!isCapturing(), "strict: ", name, " ", what, ", which a captured graph can't hold");
}

void launch(const std::string& name, const std::function<void()>& work) {
  countLaunch(name);
  if (isCapturing()) record(work);
  else work();
}

void waitForDevice(const std::string& name) {
  refuseInCapture("waits for the device", name);
  countWait(name);
  finishCopies(numQueuedCopies());
}

}  // namespace strict

namespace at {
REGISTER_GRAPH_IMPL(STRICT, strict::StrictGraph)
}
