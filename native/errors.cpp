// Error throwing, and reading and making of JavaScript values.
#include "napi.h"

#include <cmath>
#include <utility>

namespace twgrpo {

namespace {
thread_local napi_ref errorClass = nullptr;  // one environment per thread

std::string trimmed(const std::string& text) {
  // PyTorch appends "Exception raised from ..." when C++ stacktraces are on.
  auto end = text.find("\nException raised from");
  auto cut = text.substr(0, end);
  // "Could not run ..." goes on with every kernel that is registered; shapes may have thousands of numbers.
  constexpr size_t maxLength = 2000;
  if (cut.size() > maxLength) cut = cut.substr(0, maxLength) + "...";
  while (!cut.empty() && (cut.back() == '\n' || cut.back() == ' ')) cut.pop_back();
  return cut;
}
}  // namespace

void setErrorClass(napi_env env, napi_value constructor) {
  if (errorClass != nullptr) napi_delete_reference(env, errorClass);
  NAPI_OK(napi_create_reference(env, constructor, 1, &errorClass));
}

void throwNative(napi_env env, const std::string& op, const std::string& arguments, const std::string& detail) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || pending) return;
  std::string text = trimmed(detail);
  if (errorClass != nullptr) {
    napi_value constructor, error, parts[3];
    if (napi_get_reference_value(env, errorClass, &constructor) == napi_ok && constructor != nullptr &&
        napi_create_string_utf8(env, op.data(), op.size(), &parts[0]) == napi_ok &&
        napi_create_string_utf8(env, arguments.data(), arguments.size(), &parts[1]) == napi_ok &&
        napi_create_string_utf8(env, text.data(), text.size(), &parts[2]) == napi_ok &&
        napi_new_instance(env, constructor, 3, parts, &error) == napi_ok) {
      napi_throw(env, error);
      return;
    }
  }
  napi_throw_error(env, nullptr, (op + ": " + text).c_str());
}

napi_valuetype typeOf(napi_env env, napi_value value) {
  napi_valuetype type;
  NAPI_OK(napi_typeof(env, value, &type));
  return type;
}

bool isNullish(napi_env env, napi_value value) {
  auto type = typeOf(env, value);
  return type == napi_undefined || type == napi_null;
}

std::string describe(napi_env env, napi_value value) {
  switch (typeOf(env, value)) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return toBool(env, value) ? "true" : "false";
    case napi_number: {
      double v = 0;
      napi_get_value_double(env, value, &v);
      std::string text = std::to_string(v);
      if (std::isfinite(v) && v == std::floor(v) && std::abs(v) < 1e15) text = std::to_string(static_cast<int64_t>(v));
      return "number " + text;
    }
    case napi_string: {
      auto text = toString(env, value);
      if (text.size() > 40) text = text.substr(0, 40) + "...";
      return "string '" + text + "'";
    }
    case napi_bigint: return "bigint";
    case napi_function: return "function";
    case napi_symbol: return "symbol";
    case napi_external: return "external";
    case napi_object: {
      bool isArray = false;
      napi_is_array(env, value, &isArray);
      return isArray ? "array" : "object";
    }
  }
  return "value";
}

double toDouble(napi_env env, napi_value value) {
  double result;
  if (napi_get_value_double(env, value, &result) != napi_ok)
    throw ArgumentError("expected a number, got " + describe(env, value));
  return result;
}

int64_t toInt(napi_env env, napi_value value) {
  auto type = typeOf(env, value);
  if (type == napi_number) {
    double v;
    NAPI_OK(napi_get_value_double(env, value, &v));
    if (v != std::floor(v) || std::abs(v) > 9007199254740992.0)
      throw ArgumentError("expected a whole number, got " + describe(env, value));
    return static_cast<int64_t>(v);
  }
  if (type == napi_bigint) {
    int64_t v;
    bool lossless;
    NAPI_OK(napi_get_value_bigint_int64(env, value, &v, &lossless));
    if (!lossless) throw ArgumentError("bigint does not fit in 64 bits");
    return v;
  }
  throw ArgumentError("expected a whole number, got " + describe(env, value));
}

bool toBool(napi_env env, napi_value value) {
  bool result;
  if (napi_get_value_bool(env, value, &result) != napi_ok)
    throw ArgumentError("expected a boolean, got " + describe(env, value));
  return result;
}

std::string toString(napi_env env, napi_value value) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok)
    throw ArgumentError("expected a string, got " + describe(env, value));
  std::string text(length + 1, '\0');
  NAPI_OK(napi_get_value_string_utf8(env, value, text.data(), text.size(), &length));
  text.resize(length);
  return text;
}

std::vector<napi_value> toList(napi_env env, napi_value value) {
  bool isArray = false;
  NAPI_OK(napi_is_array(env, value, &isArray));
  if (!isArray) throw ArgumentError("expected an array, got " + describe(env, value));
  uint32_t length;
  NAPI_OK(napi_get_array_length(env, value, &length));
  // `new Array(2 ** 32 - 1)` costs JavaScript nothing; reading it would take all memory.
  constexpr uint32_t maxLength = 1 << 20;
  if (length > maxLength)
    throw ArgumentError("expected at most " + std::to_string(maxLength) + " items, got an array of " +
                        std::to_string(length));
  std::vector<napi_value> list(length);
  for (uint32_t i = 0; i < length; ++i) NAPI_OK(napi_get_element(env, value, i, &list[i]));
  return list;
}

std::vector<int64_t> toInts(napi_env env, napi_value value) {
  return collect<std::vector<int64_t>>(env, toList(env, value), toInt);
}

napi_value number(napi_env env, double value) {
  napi_value result;
  NAPI_OK(napi_create_double(env, value, &result));
  return result;
}

napi_value integer(napi_env env, int64_t value) {
  if (value >= -9007199254740992 && value <= 9007199254740992) return number(env, static_cast<double>(value));
  napi_value result;
  NAPI_OK(napi_create_bigint_int64(env, value, &result));
  return result;
}

napi_value boolean(napi_env env, bool value) {
  napi_value result;
  NAPI_OK(napi_get_boolean(env, value, &result));
  return result;
}

napi_value string(napi_env env, const std::string& value) {
  napi_value result;
  NAPI_OK(napi_create_string_utf8(env, value.data(), value.size(), &result));
  return result;
}

napi_value undefined(napi_env env) {
  napi_value result;
  NAPI_OK(napi_get_undefined(env, &result));
  return result;
}

napi_value null(napi_env env) {
  napi_value result;
  NAPI_OK(napi_get_null(env, &result));
  return result;
}

napi_value array(napi_env env, const std::vector<napi_value>& values) {
  napi_value result;
  NAPI_OK(napi_create_array_with_length(env, values.size(), &result));
  for (size_t i = 0; i < values.size(); ++i) NAPI_OK(napi_set_element(env, result, i, values[i]));
  return result;
}

namespace {
/// By name. Made when first asked for: files are set up in no certain order.
std::vector<std::pair<const char*, napi_callback>>& exported() {
  static std::vector<std::pair<const char*, napi_callback>> list;
  return list;
}
}  // namespace

Exported::Exported(const char* name, napi_callback function) { exported().emplace_back(name, function); }

void exportAll(napi_env env, napi_value exports) {
  for (const auto& [name, function] : exported()) {
    napi_value value;
    NAPI_OK(napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value));
    NAPI_OK(napi_set_named_property(env, exports, name, value));
  }
}

}  // namespace twgrpo
