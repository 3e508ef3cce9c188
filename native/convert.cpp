#include "convert.h"

#include <ATen/core/Generator.h>
#include <ATen/core/List.h>
#include <c10/core/Device.h>
#include <c10/core/MemoryFormat.h>

#include <cmath>
#include <sstream>

#include "engine.h"
#include "tensor_table.h"

namespace twgrpo {

namespace {

struct DTypeName {
  c10::ScalarType type;
  const char* name;
};
// PyTorch's names. The first eight are those that TypeScript can move in and out.
constexpr DTypeName dtypeNames[] = {
    {c10::ScalarType::Float, "float32"},     {c10::ScalarType::Double, "float64"},
    {c10::ScalarType::BFloat16, "bfloat16"}, {c10::ScalarType::Half, "float16"},
    {c10::ScalarType::Long, "int64"},        {c10::ScalarType::Int, "int32"},
    {c10::ScalarType::Byte, "uint8"},        {c10::ScalarType::Bool, "bool"},
    {c10::ScalarType::Char, "int8"},         {c10::ScalarType::Short, "int16"},
    {c10::ScalarType::ComplexFloat, "complex64"}, {c10::ScalarType::ComplexDouble, "complex128"},
};

Kind kindOf(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return Kind::Tensor;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return Kind::Int;
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType: return Kind::Float;
    case c10::TypeKind::BoolType:
    case c10::TypeKind::SymBoolType: return Kind::Bool;
    case c10::TypeKind::StringType: return Kind::Str;
    case c10::TypeKind::NumberType: return Kind::Scalar;
    case c10::TypeKind::ScalarTypeType: return Kind::DType;
    case c10::TypeKind::LayoutType: return Kind::Layout;
    case c10::TypeKind::MemoryFormatType: return Kind::MemoryFormat;
    case c10::TypeKind::DeviceObjType: return Kind::Device;
    case c10::TypeKind::GeneratorType: return Kind::Generator;
    case c10::TypeKind::ListType: {
      auto element = type->castRaw<c10::ListType>()->getElementType();
      if (element->kind() == c10::TypeKind::OptionalType)
        switch (kindOf(element->castRaw<c10::OptionalType>()->getElementType())) {
          case Kind::Tensor: return Kind::OptionalTensorList;
          case Kind::Scalar: return Kind::OptionalScalarList;
          default: return Kind::Unsupported;
        }
      switch (kindOf(element)) {
        case Kind::Tensor: return Kind::TensorList;
        case Kind::Int: return Kind::IntList;
        case Kind::Float: return Kind::FloatList;
        case Kind::Bool: return Kind::BoolList;
        case Kind::Str: return Kind::StrList;
        case Kind::Scalar: return Kind::ScalarList;
        default: return Kind::Unsupported;
      }
    }
    default: return Kind::Unsupported;
  }
}

/// Whole numbers become integer scalars, as a Python `1` does; a `1.5` or a NaN becomes a double.
c10::Scalar toScalar(napi_env env, napi_value value) {
  switch (typeOf(env, value)) {
    case napi_number: {
      double v = toDouble(env, value);
      if (v == std::floor(v) && std::abs(v) <= 9007199254740992.0 && !(v == 0 && std::signbit(v)))
        return c10::Scalar(static_cast<int64_t>(v));
      return c10::Scalar(v);
    }
    case napi_bigint: return c10::Scalar(toInt(env, value));
    case napi_boolean: return c10::Scalar(toBool(env, value));
    default: throw ArgumentError("expected a number, bigint or boolean, got " + describe(env, value));
  }
}

/// `int[2] = 3` in a schema means [3, 3]: a single value fills a list of fixed size.
std::vector<napi_value> listOrRepeated(napi_env env, napi_value value, int listSize) {
  bool isArray = false;
  NAPI_OK(napi_is_array(env, value, &isArray));
  if (!isArray && listSize > 0) return std::vector<napi_value>(listSize, value);
  return toList(env, value);
}

c10::Layout parseLayout(const std::string& name) {
  if (name == "strided") return c10::Layout::Strided;
  if (name == "sparse_coo") return c10::Layout::Sparse;
  throw ArgumentError("expected a layout ('strided' or 'sparse_coo'), got '" + name + "'");
}

c10::MemoryFormat parseMemoryFormat(const std::string& name) {
  if (name == "contiguous_format") return c10::MemoryFormat::Contiguous;
  if (name == "preserve_format") return c10::MemoryFormat::Preserve;
  if (name == "channels_last") return c10::MemoryFormat::ChannelsLast;
  if (name == "channels_last_3d") return c10::MemoryFormat::ChannelsLast3d;
  throw ArgumentError("expected a memory format ('contiguous_format', 'preserve_format', 'channels_last' or "
                      "'channels_last_3d'), got '" + name + "'");
}

c10::IValue convert(napi_env env, napi_value value, const ArgumentSpec& spec) {
  switch (spec.kind) {
    case Kind::Tensor: return toTensor(env, value);
    case Kind::TensorList: return c10::IValue(toTensors(env, value));
    case Kind::OptionalTensorList:
      return collect<c10::List<std::optional<at::Tensor>>>(env, toList(env, value), [](napi_env env, napi_value item) {
        return isNullish(env, item) ? std::optional<at::Tensor>() : toTensor(env, item);
      });
    case Kind::Int: return toInt(env, value);
    case Kind::IntList: return collect<std::vector<int64_t>>(env, listOrRepeated(env, value, spec.listSize), toInt);
    case Kind::Float: return toDouble(env, value);
    case Kind::FloatList: return collect<std::vector<double>>(env, listOrRepeated(env, value, spec.listSize), toDouble);
    case Kind::Bool: return toBool(env, value);
    case Kind::BoolList: return collect<c10::List<bool>>(env, listOrRepeated(env, value, spec.listSize), toBool);
    case Kind::Str: return toString(env, value);
    case Kind::StrList: return collect<c10::List<std::string>>(env, toList(env, value), toString);
    case Kind::Scalar: return toScalar(env, value);
    case Kind::ScalarList:
      return collect(env, toList(env, value), toScalar, c10::List<c10::IValue>(c10::NumberType::get()));
    case Kind::OptionalScalarList:
      return collect(
          env, toList(env, value),
          [](napi_env env, napi_value item) { return isNullish(env, item) ? c10::IValue() : c10::IValue(toScalar(env, item)); },
          c10::impl::GenericList(c10::OptionalType::create(c10::NumberType::get())));
    case Kind::DType: return parseDType(toString(env, value));
    case Kind::Layout: return parseLayout(toString(env, value));
    case Kind::MemoryFormat: return parseMemoryFormat(toString(env, value));
    case Kind::Device: return c10::Device(toString(env, value));
    case Kind::Generator: return toGenerator(env, value);
    case Kind::Unsupported: break;
  }
  throw ArgumentError("this argument's type can't be given from JavaScript");
}

}  // namespace

const char* kindName(Kind kind) {
  switch (kind) {
    case Kind::Tensor: return "Tensor";
    case Kind::TensorList: return "Tensor[]";
    case Kind::OptionalTensorList: return "Tensor?[]";
    case Kind::Int: return "int";
    case Kind::IntList: return "int[]";
    case Kind::Float: return "float";
    case Kind::FloatList: return "float[]";
    case Kind::Bool: return "bool";
    case Kind::BoolList: return "bool[]";
    case Kind::Str: return "str";
    case Kind::StrList: return "str[]";
    case Kind::Scalar: return "Scalar";
    case Kind::ScalarList: return "Scalar[]";
    case Kind::OptionalScalarList: return "Scalar?[]";
    case Kind::DType: return "ScalarType";
    case Kind::Layout: return "Layout";
    case Kind::MemoryFormat: return "MemoryFormat";
    case Kind::Device: return "Device";
    case Kind::Generator: return "Generator";
    case Kind::Unsupported: return "unsupported";
  }
  return "unsupported";
}

ArgumentSpec argumentSpec(const c10::Argument& argument) {
  // real_type() still tells ScalarType, Layout and the like from plain int; type() does not.
  c10::TypePtr type = argument.real_type();
  bool isOptional = false;
  if (auto* optional = type->castRaw<c10::OptionalType>()) {
    isOptional = true;
    type = optional->getElementType();
  }
  return ArgumentSpec{argument.name(),
                      kindOf(type),
                      isOptional,
                      argument.N().value_or(0),
                      argument.kwarg_only(),
                      argument.alias_info() != nullptr && argument.alias_info()->isWrite(),
                      argument.default_value()};
}

ResultSpec resultSpec(const c10::Argument& argument) {
  c10::TypePtr type = argument.real_type();
  if (auto* optional = type->castRaw<c10::OptionalType>()) type = optional->getElementType();
  return ResultSpec{kindOf(type),
                    argument.alias_info() != nullptr && argument.alias_info()->isWrite()};
}

c10::IValue toIValue(napi_env env, napi_value value, const ArgumentSpec& spec) {
  auto type = typeOf(env, value);
  if (type == napi_undefined || type == napi_null) {
    if (type == napi_undefined && spec.defaultValue.has_value()) return *spec.defaultValue;
    if (spec.isOptional) return c10::IValue();
    if (spec.defaultValue.has_value()) return *spec.defaultValue;
    throw ArgumentError("argument '" + spec.name + "' (" + kindName(spec.kind) + ") is missing");
  }
  try {
    return convert(env, value, spec);
  } catch (const ArgumentError& error) {
    throw ArgumentError("argument '" + spec.name + "' (" + kindName(spec.kind) + "): " + error.what());
  }
}

napi_value fromIValue(napi_env env, const c10::IValue& value, Kind kind) {
  if (value.isNone()) return null(env);
  if (kind == Kind::DType && value.isInt()) return string(env, dtypeName(value.toScalarType()));
  if (value.isTensor()) return fromTensor(env, value.toTensor());
  if (value.isInt()) return integer(env, value.toInt());
  if (value.isDouble()) return number(env, value.toDouble());
  if (value.isBool()) return boolean(env, value.toBool());
  if (value.isSymInt()) return integer(env, value.toSymInt().guard_int(__FILE__, __LINE__));
  if (value.isScalar()) return number(env, value.toScalar().toDouble());
  if (value.isString()) return string(env, value.toStringRef());
  if (value.isDevice()) return string(env, value.toDevice().str());
  std::vector<napi_value> items;
  if (value.isTensorList()) {
    for (const at::Tensor& tensor : value.toTensorVector()) items.push_back(fromTensor(env, tensor));
    return array(env, items);
  }
  if (value.isList() || value.isTuple()) {
    if (value.isTuple())
      for (const auto& item : value.toTupleRef().elements()) items.push_back(fromIValue(env, item));
    else
      for (const c10::IValue& item : value.toListRef()) items.push_back(fromIValue(env, item));
    return array(env, items);
  }
  throw ArgumentError("result of type " + value.tagKind() + " can't be given to JavaScript");
}

std::string describeIValue(const c10::IValue& value, Kind kind) {
  std::ostringstream text;
  if (kind == Kind::DType && value.isInt()) return dtypeName(value.toScalarType());
  if (value.isTensor()) {
    const auto& tensor = value.toTensor();
    if (!tensor.defined()) return "undefined tensor";
    text << dtypeName(tensor.scalar_type()) << " [";
    for (int64_t i = 0; i < tensor.dim(); ++i) text << (i ? ", " : "") << tensor.sizes()[i];
    text << "]";
    if (!tensor.is_cpu()) text << " on " << tensor.device().str();
    return text.str();
  }
  if (value.isTensorList()) {
    text << "(";
    auto list = value.toTensorVector();
    for (size_t i = 0; i < list.size(); ++i) {
      if (i == 4) {
        text << ", ... " << list.size() << " tensors";
        break;
      }
      text << (i ? ", " : "") << describeIValue(list[i]);
    }
    text << ")";
    return text.str();
  }
  if (value.isGenerator()) return "generator";
  text << value;
  auto result = text.str();
  return result.size() <= 200 ? result : result.substr(0, 200) + "...";
}

const char* dtypeName(c10::ScalarType type) {
  for (const auto& entry : dtypeNames)
    if (entry.type == type) return entry.name;
  return c10::toString(type);
}

c10::ScalarType parseDType(const std::string& name) {
  for (const auto& entry : dtypeNames)
    if (name == entry.name) return entry.type;
  std::string known;
  for (const auto& entry : dtypeNames) known += std::string(known.empty() ? "" : ", ") + entry.name;
  throw ArgumentError("unknown dtype '" + name + "'; known: " + known);
}

}  // namespace twgrpo
