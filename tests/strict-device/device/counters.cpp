// Counters of launches and waits.
#include "counters.h"

#include <mutex>

namespace strict {

namespace {
std::mutex mutex;
Counts current;
}  // namespace

void countLaunch(const std::string& name) {
  std::lock_guard<std::mutex> lock(mutex);
  current.launches += 1;
  current.byName[name] += 1;
}

void countWait(const std::string& name) {
  std::lock_guard<std::mutex> lock(mutex);
  current.waits += 1;
  current.byName[name] += 1;
}

Counts counts() {
  std::lock_guard<std::mutex> lock(mutex);
  return current;
}

void resetCounts() {
  std::lock_guard<std::mutex> lock(mutex);
  current = {};
}

}  // namespace strict
