#include "engine.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "tensor_table.h"

namespace twgrpo {

namespace {

void finalizeGenerator(napi_env, void* data, void*) { delete static_cast<at::Generator*>(data); }

/// newGenerator(device, seed: bigint) -> external
EXPORTED(newGenerator, "Generator", 2) {
  c10::Device device(toString(env, args[0]));
  auto seed = static_cast<uint64_t>(toInt(env, args[1]));
  at::Generator generator;
  if (device.is_cpu()) {
    generator = at::detail::createCPUGenerator(seed);
  } else {
    // A clone, so that nobody else draws from it.
    generator = at::globalContext().defaultGenerator(device).clone();
    generator.set_current_seed(seed);
  }
  auto* owner = new at::Generator(std::move(generator));
  napi_value result;
  NAPI_OK(napi_create_external(env, owner, finalizeGenerator, nullptr, &result));
  return result;
}

EXPORTED(seedGenerator, "Generator.manualSeed", 2) {
  auto generator = toGenerator(env, args[0]);
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(static_cast<uint64_t>(toInt(env, args[1])));
  return nullptr;
}

EXPORTED(generatorState, "Generator.getState", 1) {
  auto generator = toGenerator(env, args[0]);
  std::lock_guard<std::mutex> lock(generator.mutex());
  return fromTensor(env, generator.get_state());
}

EXPORTED(setGeneratorState, "Generator.setState", 2) {
  auto generator = toGenerator(env, args[0]);
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(toTensor(env, args[1]).clone());
  return nullptr;
}

EXPORTED(setNumThreads, "setNumThreads", 1) {
  auto count = toInt(env, args[0]);
  // The OpenMP runtime ends the process when the system refuses it a thread.
  const int64_t limit = std::max<int64_t>(16, 4 * static_cast<int64_t>(std::thread::hardware_concurrency()));
  if (count < 1 || count > limit)
    throw ArgumentError("expected 1 to " + std::to_string(limit) + " threads, got " + std::to_string(count));
  at::set_num_threads(static_cast<int>(count));
  return nullptr;
}

EXPORTED(getNumThreads, "getNumThreads", 0) { return number(env, at::get_num_threads()); }

/// engineInfo() -> versions and abilities, for people and bug reports
EXPORTED(engineInfo, "engineInfo", 0) {
  napi_value info;
  NAPI_OK(napi_create_object(env, &info));
  auto set = [&](const char* key, napi_value value) { NAPI_OK(napi_set_named_property(env, info, key, value)); };
  const bool cuda = at::hasCUDA();
  set("torch_version", string(env, TORCH_VERSION));
  set("cpu_capability", string(env, at::get_cpu_capability()));
  set("num_threads", number(env, at::get_num_threads()));
  set("mkl", boolean(env, at::hasMKL()));
  set("mkldnn", boolean(env, at::hasMKLDNN()));
  set("cuda_available", boolean(env, cuda));
  set("cuda_device_count", number(env, cuda ? static_cast<double>(at::detail::getCUDAHooks().deviceCount()) : 0));
  set("config", string(env, at::show_config()));
  return info;
}

/// benchDirectAdd(size, count) -> nanoseconds a call for `a + b` in plain C++: the floor to compare with
EXPORTED(benchDirectAdd, "benchDirectAdd", 2) {
  auto count = toInt(env, args[1]);
  if (count < 1 || count > 10'000'000) throw ArgumentError("expected 1 to 10,000,000 calls");
  auto a = at::ones({toInt(env, args[0])});
  auto b = at::ones({toInt(env, args[0])});
  auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < count; ++i) auto c = at::add(a, b);
  std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
  return number(env, elapsed.count() / static_cast<double>(count));
}

}  // namespace

at::Generator toGenerator(napi_env env, napi_value value) {
  void* data = nullptr;
  if (typeOf(env, value) != napi_external || napi_get_value_external(env, value, &data) != napi_ok || data == nullptr)
    throw ArgumentError("expected a Generator, got " + describe(env, value));
  return *static_cast<at::Generator*>(data);
}

}  // namespace twgrpo
