// The one boxed call: any operator of libtorch through its dispatcher.
#include <ATen/core/dispatch/Dispatcher.h>

#include <memory>
#include <sstream>

#include "convert.h"
#include "tensor_table.h"

namespace twgrpo {

namespace {

struct Operator {
  c10::OperatorHandle handle;
  std::string name;
  std::vector<ArgumentSpec> arguments;
  std::vector<ResultSpec> results;
};

/// Operators that were looked up, by id; ids are 1-based so that 0 can mean "not yet".
std::vector<std::unique_ptr<Operator>>& operators() {
  thread_local auto* list = new std::vector<std::unique_ptr<Operator>>();
  return *list;
}

std::string fullName(const c10::OperatorName& name) {
  return name.overload_name.empty() ? name.name : name.name + "." + name.overload_name;
}

c10::OperatorHandle find(const std::string& name, const std::string& overload) {
  auto& dispatcher = c10::Dispatcher::singleton();
  if (auto handle = dispatcher.findSchema({name, overload})) return *handle;
  std::string others;
  for (const auto& known : dispatcher.getAllOpNames())
    if (known.name == name) others += "\n  " + fullName(known);
  throw ArgumentError("libtorch has no operator '" + name + (overload.empty() ? "" : "." + overload) + "'" +
                      (others.empty() ? "" : "; its overloads are:" + others));
}

/// resolve(name, overload) -> id
EXPORTED(resolve, "resolve", 2) {
  auto handle = find(toString(env, args[0]), toString(env, args[1]));
  auto entry = std::make_unique<Operator>(Operator{handle, fullName(handle.operator_name()), {}, {}});
  for (const auto& argument : handle.schema().arguments()) entry->arguments.push_back(argumentSpec(argument));
  for (const auto& result : handle.schema().returns()) entry->results.push_back(resultSpec(result));
  operators().push_back(std::move(entry));
  return number(env, static_cast<double>(operators().size()));
}

constexpr size_t maxArguments = 48;

/// call(id, ...arguments in schema order) -> the result, or an array of several results
napi_value call(napi_env env, napi_callback_info info) {
  napi_value values[maxArguments + 1];
  size_t count = maxArguments + 1;
  const Operator* op = nullptr;
  torch::jit::Stack stack;
  // Built before the call runs only when something fails: a kernel may consume the stack.
  auto describeArguments = [&]() {
    std::ostringstream text;
    if (op != nullptr)
      for (size_t i = 0; i < op->arguments.size() && i + 1 < count; ++i) {
        const auto& spec = op->arguments[i];
        std::string value;
        try {
          if (isNullish(env, values[i + 1])) continue;
          value = describeIValue(toIValue(env, values[i + 1], spec), spec.kind);
        } catch (...) {
          value = "invalid";
        }
        text << (text.tellp() > 0 ? ", " : "") << spec.name << ": " << value;
      }
    return text.str();
  };
  auto fail = [&](const std::string& detail) {
    throwNative(env, op == nullptr ? "call" : op->name, describeArguments(), detail);
    return nullptr;
  };

  try {
    NAPI_OK(napi_get_cb_info(env, info, &count, values, nullptr, nullptr));
    if (count < 1 || count > maxArguments + 1) throw ArgumentError("internal: wrong number of arguments");
    uint32_t id;
    if (napi_get_value_uint32(env, values[0], &id) != napi_ok || id < 1 || id > operators().size())
      throw ArgumentError("internal: unknown operator id");
    op = operators()[id - 1].get();

    for (const auto& result : op->results)
      if (result.kind == Kind::Unsupported && !result.isWritten)
        throw ArgumentError("its result is of a type that can't be given to JavaScript");
    const size_t expected = op->arguments.size();
    if (count - 1 > expected)
      throw ArgumentError("takes " + std::to_string(expected) + " arguments, got " + std::to_string(count - 1));
    stack.reserve(std::max(expected, op->results.size()));
    napi_value missing = count - 1 < expected ? undefined(env) : nullptr;
    for (size_t i = 0; i < expected; ++i)
      stack.push_back(toIValue(env, i + 1 < count ? values[i + 1] : missing, op->arguments[i]));

    op->handle.callBoxed(stack);

    auto& results = op->results;
    if (results.empty()) return nullptr;
    if (results.size() == 1) return results[0].isWritten ? nullptr : fromIValue(env, stack[0], results[0].kind);
    std::vector<napi_value> items;
    for (size_t i = 0; i < results.size(); ++i)
      items.push_back(results[i].isWritten ? undefined(env) : fromIValue(env, stack[i], results[i].kind));
    return array(env, items);
  } catch (const PendingException&) {
    return nullptr;
  } catch (const c10::Error& error) {
    return fail(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return fail(error.what());
  } catch (...) {
    return fail("unknown C++ exception");
  }
}

const Exported callExported("call", call);

napi_value schemaObject(napi_env env, const c10::OperatorHandle& handle) {
  const auto& schema = handle.schema();
  auto set = [&](napi_value object, const char* key, napi_value value) {
    NAPI_OK(napi_set_named_property(env, object, key, value));
  };
  auto object = [&] {
    napi_value result;
    NAPI_OK(napi_create_object(env, &result));
    return result;
  };
  std::vector<napi_value> arguments, results;
  for (const auto& argument : schema.arguments()) {
    auto spec = argumentSpec(argument);
    auto item = object();
    set(item, "name", string(env, spec.name));
    set(item, "kind", string(env, kindName(spec.kind)));
    set(item, "isOptional", boolean(env, spec.isOptional));
    set(item, "listSize", number(env, spec.listSize));
    set(item, "hasDefault", boolean(env, spec.defaultValue.has_value()));
    set(item, "isKeywordOnly", boolean(env, spec.isKeywordOnly));
    set(item, "isWritten", boolean(env, spec.isWritten));
    arguments.push_back(item);
  }
  for (const auto& result : schema.returns()) {
    auto spec = resultSpec(result);
    auto item = object();
    set(item, "kind", string(env, kindName(spec.kind)));
    set(item, "isWritten", boolean(env, spec.isWritten));
    results.push_back(item);
  }
  std::ostringstream text;
  text << schema;
  auto entry = object();
  set(entry, "name", string(env, schema.name()));
  set(entry, "overload", string(env, schema.overload_name()));
  set(entry, "text", string(env, text.str()));
  set(entry, "arguments", array(env, arguments));
  set(entry, "results", array(env, results));
  return entry;
}

/// schemaOf(name, overload) -> the schema as plain data
EXPORTED(schemaOf, "schemaOf", 2) { return schemaObject(env, find(toString(env, args[0]), toString(env, args[1]))); }

/// operatorNames() -> every operator with a schema, as "name.overload"
EXPORTED(operatorNames, "operatorNames", 0) {
  std::vector<napi_value> names;
  auto& dispatcher = c10::Dispatcher::singleton();
  for (const auto& name : dispatcher.getAllOpNames())
    if (dispatcher.findSchema(name)) names.push_back(string(env, fullName(name)));
  return array(env, names);
}

}  // namespace

}  // namespace twgrpo
