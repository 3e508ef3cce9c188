// Several processes as one: PyTorch's own distributed layer (c10d), its store and its collectives.
//
// What waits for the network runs on libuv's threads and comes back as a promise, so that signals and decoders are served meanwhile.
// A collective is launched from the thread of JavaScript, in the same order on every rank, and gives a "work" that is waited for in
// one of two ways: blocking (in the middle of a forward pass) or as a promise. NCCL's works wait on the stream, never on the host.
#include <ATen/Functions.h>
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef TWGRPO_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>

#include "tensor_table.h"

namespace twgrpo {

namespace {

using Milliseconds = std::chrono::milliseconds;

struct Group {
  c10::intrusive_ptr<c10d::Backend> backend;
};

/// Nanoseconds of the clock that `process.hrtime` shows.
int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// A launched collective. It holds the tensors it works on until it was waited for, however long JavaScript keeps the object.
struct Launched {
  c10::intrusive_ptr<c10d::Work> work;
  std::vector<at::Tensor> tensors;
  bool isOnHost = true;
  int64_t began = now();
  std::shared_ptr<std::atomic<int64_t>> ended = std::make_shared<std::atomic<int64_t>>(0);
  std::mutex mutex;

  void wait() {
    std::lock_guard<std::mutex> lock(mutex);
    if (!work) return;
    work->wait();
    int64_t unset = 0;
    if (isOnHost) ended->compare_exchange_strong(unset, now());
    work.reset();
    tensors.clear();
  }
};

// Each kind of object has its own tag, so that one given in another's place is an error and no crash.
constexpr napi_type_tag STORE_TAG{0x7477677270730001, 1}, GROUP_TAG{0x7477677270730001, 2}, WORK_TAG{0x7477677270730001, 3};

/// A JavaScript object that owns a `shared_ptr`.
template <typename T>
napi_value wrap(napi_env env, std::shared_ptr<T> value, const napi_type_tag& tag) {
  napi_value object;
  NAPI_OK(napi_create_object(env, &object));
  NAPI_OK(napi_type_tag_object(env, object, &tag));
  auto* owner = new std::shared_ptr<T>(std::move(value));
  auto finalize = [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<T>*>(data); };
  NAPI_OK(napi_wrap(env, object, owner, finalize, nullptr, nullptr));
  return object;
}

template <typename T>
std::shared_ptr<T> unwrap(napi_env env, napi_value value, const napi_type_tag& tag, const char* what) {
  bool isOne = false;
  void* data = nullptr;
  if (typeOf(env, value) != napi_object || napi_check_object_type_tag(env, value, &tag, &isOne) != napi_ok || !isOne ||
      napi_unwrap(env, value, &data) != napi_ok)
    throw ArgumentError(std::string("expected ") + what + ", got " + describe(env, value));
  return *static_cast<std::shared_ptr<T>*>(data);
}

/// What runs on another thread, and what then becomes of it on this one.
struct Task {
  const char* op;
  std::function<void()> run;
  std::function<napi_value(napi_env)> result;
  std::string error;
  bool hasFailed = false;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
};

napi_value promise(napi_env env, const char* op, std::function<void()> run, std::function<napi_value(napi_env)> result = undefined) {
  auto task = std::make_unique<Task>(Task{op, std::move(run), std::move(result)});
  napi_value made, name;
  NAPI_OK(napi_create_promise(env, &task->deferred, &made));
  NAPI_OK(napi_create_string_utf8(env, op, NAPI_AUTO_LENGTH, &name));
  auto execute = [](napi_env, void* data) {
    auto* task = static_cast<Task*>(data);
    try {
      task->run();
    } catch (const c10::Error& error) {
      task->hasFailed = true;
      task->error = error.what_without_backtrace();
    } catch (const std::exception& error) {
      task->hasFailed = true;
      task->error = error.what();
    } catch (...) {
      task->hasFailed = true;
      task->error = "unknown C++ exception";
    }
  };
  auto complete = [](napi_env env, napi_status, void* data) {
    std::unique_ptr<Task> task(static_cast<Task*>(data));
    napi_value value = nullptr;
    if (!task->hasFailed) value = guarded(env, task->op, [&] { return task->result(env); });
    if (task->hasFailed) throwNative(env, task->op, "", task->error);
    bool isPending = false;
    napi_is_exception_pending(env, &isPending);
    if (isPending) {
      napi_value error;
      napi_get_and_clear_last_exception(env, &error);
      napi_reject_deferred(env, task->deferred, error);
    } else {
      napi_resolve_deferred(env, task->deferred, value);
    }
    napi_delete_async_work(env, task->work);
  };
  NAPI_OK(napi_create_async_work(env, nullptr, name, execute, complete, task.get(), &task->work));
  NAPI_OK(napi_queue_async_work(env, task->work));
  task.release();
  return made;
}

using Store = c10::intrusive_ptr<c10d::Store>;

Store toStore(napi_env env, napi_value value) { return *unwrap<Store>(env, value, STORE_TAG, "a store"); }

std::shared_ptr<Group> toGroup(napi_env env, napi_value value) {
  auto group = unwrap<Group>(env, value, GROUP_TAG, "a process group");
  if (!group->backend) throw ArgumentError("the process group was closed");
  return group;
}

/// openStore(host, port, isServer, prefix, timeoutMs) -> promise of a store
EXPORTED(openStore, "openStore", 5) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(toInt(env, args[1]));
  options.isServer = toBool(env, args[2]);
  options.waitWorkers = false;
  options.timeout = Milliseconds(toInt(env, args[4]));
  auto made = std::make_shared<Store>();
  return promise(
      env, "openStore",
      [made, options, host = toString(env, args[0]), prefix = toString(env, args[3])] {
        *made = c10::make_intrusive<c10d::PrefixStore>(prefix, c10::make_intrusive<c10d::TCPStore>(host, options));
      },
      [made](napi_env env) { return wrap(env, made, STORE_TAG); });
}

/// storeSet(store, key, text) -> promise
EXPORTED(storeSet, "storeSet", 3) {
  auto text = toString(env, args[2]);
  return promise(env, "storeSet",
                 [store = toStore(env, args[0]), key = toString(env, args[1]), bytes = std::vector<uint8_t>(text.begin(), text.end())] {
                   store->set(key, bytes);
                 });
}

/// storeGet(store, key, timeoutMs) -> promise of a text; fails where nobody sets it in time
EXPORTED(storeGet, "storeGet", 3) {
  auto text = std::make_shared<std::string>();
  return promise(
      env, "storeGet",
      [text, store = toStore(env, args[0]), key = toString(env, args[1]), timeout = Milliseconds(toInt(env, args[2]))] {
        store->wait({key}, timeout);
        auto bytes = store->get(key);
        text->assign(bytes.begin(), bytes.end());
      },
      [text](napi_env env) { return string(env, *text); });
}

/// storeAdd(store, key, amount) -> promise of the sum
EXPORTED(storeAdd, "storeAdd", 3) {
  auto sum = std::make_shared<int64_t>(0);
  return promise(
      env, "storeAdd",
      [sum, store = toStore(env, args[0]), key = toString(env, args[1]), amount = toInt(env, args[2])] {
        *sum = store->add(key, amount);
      },
      [sum](napi_env env) { return integer(env, *sum); });
}

/// storeHas(store, key) -> promise of a boolean
EXPORTED(storeHas, "storeHas", 2) {
  auto has = std::make_shared<bool>(false);
  return promise(
      env, "storeHas", [has, store = toStore(env, args[0]), key = toString(env, args[1])] { *has = store->check({key}); },
      [has](napi_env env) { return boolean(env, *has); });
}

/// Whether this build can make a group of a backend: "gloo", "nccl".
EXPORTED(hasBackend, "hasBackend", 1) {
  auto name = toString(env, args[0]);
#ifdef TWGRPO_NCCL
  if (name == "nccl") return boolean(env, true);
#endif
  return boolean(env, name == "gloo");
}

/// openGroup(store, backend, rank, size, timeoutMs, host) -> promise of a group. Gloo listens on `host`, where that is empty on
/// the interface of GLOO_SOCKET_IFNAME, else on the address of this machine's name. NCCL takes NCCL_SOCKET_IFNAME itself.
EXPORTED(openGroup, "openGroup", 6) {
  auto backend = toString(env, args[1]);
  auto made = std::make_shared<Group>();
  auto store = toStore(env, args[0]);
  const auto rank = static_cast<int>(toInt(env, args[2])), size = static_cast<int>(toInt(env, args[3]));
  const auto timeout = Milliseconds(toInt(env, args[4]));
  std::function<void()> open;
  if (backend == "gloo") {
    open = [=, host = toString(env, args[5])] {
      auto options = c10d::ProcessGroupGloo::Options::create(timeout);
      const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
      options->devices.push_back(!host.empty() ? c10d::ProcessGroupGloo::createDeviceForHostname(host)
                                 : interface != nullptr && *interface != '\0'
                                     ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                                     : c10d::ProcessGroupGloo::createDefaultDevice());
      made->backend = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
    };
#ifdef TWGRPO_NCCL
  } else if (backend == "nccl") {
    open = [=] {
      auto options = c10d::ProcessGroupNCCL::Options::create();
      options->timeout = timeout;
      made->backend = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
    };
#endif
  } else {
    throw ArgumentError("this build has no backend '" + backend + "'");
  }
  return promise(env, "openGroup", open, [made](napi_env env) { return wrap(env, made, GROUP_TAG); });
}

/// closeGroup(group) -> promise; after the last work was waited for
EXPORTED(closeGroup, "closeGroup", 1) {
  auto group = toGroup(env, args[0]);
  return promise(env, "closeGroup", [group] { group->backend.reset(); });
}

napi_value launched(napi_env env, c10::intrusive_ptr<c10d::Work> work, std::vector<at::Tensor> tensors) {
  auto one = std::make_shared<Launched>();
  one->work = std::move(work);
  one->isOnHost = tensors.empty() || tensors[0].is_cpu();
  one->tensors = std::move(tensors);
  if (one->isOnHost) {
    try {
      one->work->getFuture()->addCallback([ended = one->ended](auto&) { ended->store(now()); });
    } catch (const c10::Error&) {
      // Gloo's reduce-scatter has no future; its end is noticed by who waits for it.
    }
  }
  return wrap(env, one, WORK_TAG);
}

c10d::ReduceOp toReduceOp(const std::string& name) {
  if (name == "sum") return c10d::ReduceOp::SUM;
  if (name == "max") return c10d::ReduceOp::MAX;
  if (name == "min") return c10d::ReduceOp::MIN;
  throw ArgumentError("expected sum, max or min, got '" + name + "'");
}

/// allReduce(group, tensor, op) -> work; in place
EXPORTED(allReduce, "allReduce", 3) {
  auto group = toGroup(env, args[0]);
  std::vector<at::Tensor> tensors{toTensor(env, args[1])};
  c10d::AllreduceOptions options;
  options.reduceOp = toReduceOp(toString(env, args[2]));
  return launched(env, group->backend->allreduce(tensors, options), tensors);
}

/// reduceScatter(group, output, input) -> work; input holds a part for each rank, output the sum of the own parts
EXPORTED(reduceScatter, "reduceScatter", 3) {
  auto group = toGroup(env, args[0]);
  at::Tensor output = toTensor(env, args[1]), input = toTensor(env, args[2]);
  return launched(env, group->backend->_reduce_scatter_base(output, input), {output, input});
}

/// allGather(group, output, input) -> work; output holds the inputs of all ranks in their order
EXPORTED(allGather, "allGather", 3) {
  auto group = toGroup(env, args[0]);
  at::Tensor output = toTensor(env, args[1]), input = toTensor(env, args[2]);
  return launched(env, group->backend->_allgather_base(output, input), {output, input});
}

/// broadcast(group, tensor, root) -> work; in place
EXPORTED(broadcast, "broadcast", 3) {
  auto group = toGroup(env, args[0]);
  std::vector<at::Tensor> tensors{toTensor(env, args[1])};
  c10d::BroadcastOptions options;
  options.rootRank = toInt(env, args[2]);
  return launched(env, group->backend->broadcast(tensors, options), tensors);
}

/// waitWork(work): blocks until it is done; where the tensors lie on a GPU, only its stream waits
EXPORTED(waitWork, "waitWork", 1) {
  unwrap<Launched>(env, args[0], WORK_TAG, "a work")->wait();
  return nullptr;
}

/// finishWork(work) -> promise
EXPORTED(finishWork, "finishWork", 1) {
  auto one = unwrap<Launched>(env, args[0], WORK_TAG, "a work");
  if (!one->isOnHost) one->wait();  // the stream of this thread waits
  return promise(env, "finishWork", [one] {
    if (one->isOnHost) one->wait();
  });
}

/// workTimes(work) -> [launched, done] in nanoseconds of process.hrtime; done is 0 until it is, and on a GPU
EXPORTED(workTimes, "workTimes", 1) {
  auto one = unwrap<Launched>(env, args[0], WORK_TAG, "a work");
  return array(env, {integer(env, one->began), integer(env, one->ended->load())});
}

/// leaveAtOnce(code): ends the process without waiting for its threads, of which one may wait for a lost peer for ever
EXPORTED(leaveAtOnce, "leaveAtOnce", 1) { std::_Exit(static_cast<int>(toInt(env, args[0]))); }

/// resizeStorage(tensor, bytes): gives the tensor's storage another size, 0 to free it; what it held is lost. Views stay views.
EXPORTED(resizeStorage, "resizeStorage", 2) {
  const auto& tensor = toTensor(env, args[0]);
  auto bytes = static_cast<size_t>(toInt(env, args[1]));
  auto& storage = const_cast<c10::Storage&>(tensor.storage());
  if (storage.nbytes() == bytes) return nullptr;
  auto* allocator = storage.allocator() != nullptr ? storage.allocator() : c10::GetAllocator(tensor.device().type());
  storage.set_data_ptr_noswap(bytes == 0 ? at::DataPtr(nullptr, tensor.device()) : allocator->allocate(bytes));
  storage.set_nbytes(bytes);
  TensorTable::current().resized(storage.unsafeGetStorageImpl(), static_cast<int64_t>(bytes));
  return nullptr;
}

}  // namespace

}  // namespace twgrpo
