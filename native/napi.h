// Small helpers over the C Node-API, shared by all files of the addon.
//
// Every entry point runs inside `guarded`, those of EXPORTED without saying so: a C++ exception becomes a JavaScript NativeError and
// never crosses the boundary. Helpers that read JavaScript values throw ArgumentError when the
// value is of the wrong kind, so a bad argument can't abort the process either.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <c10/util/Exception.h>

namespace twgrpo {

/// A JavaScript value of the wrong kind or count.
struct ArgumentError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A JavaScript exception is already pending; unwind without adding another.
struct PendingException {};

inline void check(napi_status status, const char* what) {
  if (status == napi_ok) return;
  if (status == napi_pending_exception) throw PendingException{};
  throw ArgumentError(std::string("internal: Node-API call failed: ") + what);
}
#define NAPI_OK(call) ::twgrpo::check((call), #call)

/// Remembers the JavaScript class that errors are made of.
void setErrorClass(napi_env env, napi_value constructor);
/// Throws that class: `new NativeError(operator, arguments, detail)`.
void throwNative(napi_env env, const std::string& op, const std::string& arguments, const std::string& detail);

template <typename Body>
napi_value guarded(napi_env env, const char* op, Body&& body) noexcept {
  try {
    return body();
  } catch (const PendingException&) {
    return nullptr;
  } catch (const c10::Error& error) {
    throwNative(env, op, "", error.what_without_backtrace());
  } catch (const std::exception& error) {
    throwNative(env, op, "", error.what());
  } catch (...) {
    throwNative(env, op, "", "unknown C++ exception");
  }
  return nullptr;
}

/// The arguments of one call; missing ones read as undefined.
template <size_t N>
struct Arguments {
  size_t count = N;
  napi_value value[N + 1];
  Arguments(napi_env env, napi_callback_info info) {
    NAPI_OK(napi_get_cb_info(env, info, &count, value, nullptr, nullptr));
    if (count > N) throw ArgumentError("too many arguments: at most " + std::to_string(N));
  }
  napi_value operator[](size_t i) const { return value[i]; }
};

napi_valuetype typeOf(napi_env env, napi_value value);
bool isNullish(napi_env env, napi_value value);
/// "number 3", "string 'abc'", "array", ...: for error texts.
std::string describe(napi_env env, napi_value value);

double toDouble(napi_env env, napi_value value);
int64_t toInt(napi_env env, napi_value value);  // a whole number, or a bigint within 64 bits
bool toBool(napi_env env, napi_value value);
std::string toString(napi_env env, napi_value value);
std::vector<napi_value> toList(napi_env env, napi_value value);
std::vector<int64_t> toInts(napi_env env, napi_value value);

napi_value number(napi_env env, double value);
napi_value integer(napi_env env, int64_t value);  // a bigint only where a number would lose digits
napi_value boolean(napi_env env, bool value);
napi_value string(napi_env env, const std::string& value);
napi_value undefined(napi_env env);
napi_value null(napi_env env);
napi_value array(napi_env env, const std::vector<napi_value>& values);

/// The items of an array, each read by `read`, in a list of libtorch or C++.
template <typename List, typename Read>
List collect(napi_env env, const std::vector<napi_value>& items, Read read, List list = List()) {
  for (auto item : items) list.push_back(read(env, item));
  return list;
}

/// A function that JavaScript can call; making one is enough, the module exports them all.
struct Exported {
  Exported(const char* name, napi_callback function);
};
void exportAll(napi_env env, napi_value exports);

/// Defines such a function. Its body sees `env` and `args`; errors name `op`.
///
///   EXPORTED(isLeaf, "is_leaf", 1) { return boolean(env, toTensor(env, args[0]).is_leaf()); }
#define EXPORTED(name, op, numArguments)                                                                      \
  napi_value name##Body(napi_env env, const ::twgrpo::Arguments<numArguments>& args);                         \
  napi_value name(napi_env env, napi_callback_info info) {                                                    \
    return ::twgrpo::guarded(                                                                                 \
        env, op, [&] { return name##Body(env, ::twgrpo::Arguments<numArguments>(env, info)); });              \
  }                                                                                                           \
  const ::twgrpo::Exported name##Exported(#name, name);                                                       \
  napi_value name##Body(napi_env env, const ::twgrpo::Arguments<numArguments>& args)

}  // namespace twgrpo
