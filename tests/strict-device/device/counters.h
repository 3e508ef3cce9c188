// What a GPU would have been asked to do: kernels launched, and times the host waited for the device.
//
// A launch costs the host some microseconds, a wait empties the queue. Both grow unseen in code that runs on a CPU; here a test can
// set a budget for them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace strict {

struct Counts {
  int64_t launches = 0;
  int64_t waits = 0;
  /// Both, by operator.
  std::map<std::string, int64_t> byName;
};

void countLaunch(const std::string& name);
void countWait(const std::string& name);
/// A copy of what was counted since the last reset; autograd's thread counts too.
Counts counts();
void resetCounts();

}  // namespace strict
