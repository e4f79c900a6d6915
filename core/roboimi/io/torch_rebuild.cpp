#include "roboimi/io/torch_rebuild.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"

namespace roboimi {
namespace {

using Kind = PickleNode::Kind;

constexpr std::size_t kMaxDimensions = 64;

struct NamedDtype {
  std::string_view storage;  // the old storage class, empty for newer types
  std::string_view name;
  c10::ScalarType dtype;
};

constexpr NamedDtype kDtypes[] = {
    {"FloatStorage", "float32", c10::kFloat},
    {"DoubleStorage", "float64", c10::kDouble},
    {"HalfStorage", "float16", c10::kHalf},
    {"BFloat16Storage", "bfloat16", c10::kBFloat16},
    {"LongStorage", "int64", c10::kLong},
    {"IntStorage", "int32", c10::kInt},
    {"ShortStorage", "int16", c10::kShort},
    {"CharStorage", "int8", c10::kChar},
    {"ByteStorage", "uint8", c10::kByte},
    {"BoolStorage", "bool", c10::kBool},
    {"ComplexFloatStorage", "complex64", c10::kComplexFloat},
    {"ComplexDoubleStorage", "complex128", c10::kComplexDouble},
    {"", "uint16", c10::kUInt16},
    {"", "uint32", c10::kUInt32},
    {"", "uint64", c10::kUInt64},
    {"", "complex32", c10::kComplexHalf},
    {"", "float8_e4m3fn", c10::kFloat8_e4m3fn},
    {"", "float8_e5m2", c10::kFloat8_e5m2},
    {"", "float8_e4m3fnuz", c10::kFloat8_e4m3fnuz},
    {"", "float8_e5m2fnuz", c10::kFloat8_e5m2fnuz},
    {"", "float8_e8m0fnu", c10::kFloat8_e8m0fnu},
};

// The part after the last dot: "torch.storage.UntypedStorage" -> "UntypedStorage".
std::string_view last_part(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

std::optional<c10::ScalarType> dtype_of_class(std::string_view class_name) {
  const std::string_view name = last_part(class_name);
  for (const NamedDtype& known : kDtypes) {
    if (known.name == name || (!known.storage.empty() && known.storage == name)) {
      return known.dtype;
    }
  }
  return std::nullopt;
}

PickleNode tensor_node(at::Tensor tensor) {
  PickleNode node{.kind = Kind::kTensor};
  node.tensor = std::move(tensor);
  return node;
}

}  // namespace

TorchRebuilder::TorchRebuilder(const LoadStorage& load_storage, std::uint64_t max_tensor_bytes,
                               std::string where)
    : load_storage_(load_storage), tensor_bytes_left_(max_tensor_bytes), where_(std::move(where)) {}

void TorchRebuilder::fail(const std::string& what) const {
  throw Error({.what = "damaged PyTorch file: " + what, .where = where_});
}

PickleNode TorchRebuilder::storage(const PickleNode& id) {
  // Check the ID's parts.
  const auto& parts = id.items;
  const bool views_another = parts.size() == 6 && !parts[5]->is(Kind::kNone);
  if (!id.is(Kind::kTuple) || parts.size() < 5 || parts.size() > 6 || views_another ||
      !parts[0]->is(Kind::kText) || parts[0]->text != "storage" || !parts[1]->is(Kind::kClass) ||
      !parts[2]->is(Kind::kText) || !parts[4]->is(Kind::kInteger) || parts[4]->integer < 0) {
    fail("a persistent ID does not refer to a storage");
  }
  // Determine the dtype.
  PickleNode node{.kind = Kind::kStorage, .integer = -1, .text = parts[2]->text};
  std::uint64_t element_size = 1;
  if (last_part(parts[1]->text) != "UntypedStorage") {
    const auto dtype = dtype_of_class(parts[1]->text);
    if (!dtype) {
      node.integer = kUnreadStorage;
      return node;
    }
    node.integer = static_cast<std::int64_t>(*dtype);
    element_size = c10::elementSize(*dtype);
  }
  // Read the bytes, which must have the stated size.
  const auto claimed = static_cast<std::uint64_t>(parts[4]->integer);
  if (claimed > INT64_MAX / element_size) fail("a storage's size overflows");
  node.tensor = load_storage_({node.text, claimed, claimed * element_size});
  const auto bytes = static_cast<std::uint64_t>(node.tensor.numel());
  if (claimed != bytes / element_size || bytes % element_size != 0) {
    throw Error(
        {.what = "damaged PyTorch file: storage '" + printable(node.text) + "' has the wrong size",
         .where = where_,
         .expected = std::to_string(parts[4]->integer) + " elements of " +
                     std::to_string(element_size) + " bytes",
         .found = std::to_string(bytes) + " bytes"});
  }
  return node;
}

std::optional<PickleNode> TorchRebuilder::call(const std::string& function,
                                               const PickleNode& arguments) {
  if (!arguments.is(Kind::kTuple)) return std::nullopt;
  const auto& given = arguments.items;
  // (function, class, arguments, state): a tensor subclass, rebuilt as a plain tensor.
  if (function == "torch._tensor._rebuild_from_type_v2" && given.size() == 4 &&
      given[0]->is(Kind::kClass) && given[2]->is(Kind::kTuple)) {
    return rebuild(given[0]->text, given[2]->items);
  }
  return rebuild(function, given);
}

std::optional<PickleNode> TorchRebuilder::rebuild(const std::string& function,
                                                  const std::vector<const PickleNode*>& given) {
  // Parameters: (tensor, requires_grad, hooks[, state]).
  if (function == "torch._utils._rebuild_parameter" ||
      function == "torch._utils._rebuild_parameter_with_state") {
    if (given.empty() || !given[0]->is(Kind::kTensor)) return std::nullopt;
    return tensor_node(given[0]->tensor);
  }
  // Tensors: (storage, offset, sizes, strides[, requires_grad, hooks[, metadata]]). v3 has the
  // dtype before the metadata, because its storages are untyped.
  const bool v3 = function == "torch._utils._rebuild_tensor_v3";
  if (!v3 && function != "torch._utils._rebuild_tensor_v2" &&
      function != "torch._utils._rebuild_tensor") {
    return std::nullopt;
  }
  const std::size_t metadata = v3 ? 7 : 6;
  if (given.size() < (v3 ? 7u : 4u) || !given[0]->is(Kind::kStorage))
    fail("a tensor is saved with the wrong arguments");
  // Only this tensor is unsupported if its storage or view is: it stays an object.
  if (given[0]->integer == kUnreadStorage) return std::nullopt;
  if (given.size() > metadata && !given[metadata]->is(Kind::kNone) &&
      !given[metadata]->entries.empty()) {
    return std::nullopt;  // conjugated or negated
  }
  // Build the tensor.
  std::optional<c10::ScalarType> dtype;
  if (v3) {
    if (given[6]->is(Kind::kClass)) dtype = dtype_of_class(given[6]->text);
  } else if (given[0]->integer >= 0) {
    dtype = static_cast<c10::ScalarType>(given[0]->integer);
  }
  if (!dtype) return std::nullopt;
  return tensor_node(make_tensor(*given[0], *dtype, *given[1], *given[2], *given[3]));
}

at::Tensor TorchRebuilder::make_tensor(const PickleNode& storage, c10::ScalarType dtype,
                                       const PickleNode& offset, const PickleNode& sizes,
                                       const PickleNode& strides) {
  if (!offset.is(Kind::kInteger) || offset.integer < 0 || !sizes.is(Kind::kTuple) ||
      !strides.is(Kind::kTuple) || sizes.items.size() != strides.items.size() ||
      sizes.items.size() > kMaxDimensions) {
    fail("a tensor has an invalid shape or strides");
  }
  // Compute the size and the last element, watching for overflow.
  std::vector<std::int64_t> shape, steps;
  const auto item = static_cast<std::int64_t>(c10::elementSize(dtype));
  std::int64_t last = offset.integer, bytes = item;
  bool overflow = false, empty = false;
  for (std::size_t i = 0; i < sizes.items.size(); ++i) {
    const PickleNode &size = *sizes.items[i], &step = *strides.items[i];
    if (!size.is(Kind::kInteger) || !step.is(Kind::kInteger) || size.integer < 0 ||
        step.integer < 0) {
      fail("a tensor has an invalid shape or strides");
    }
    shape.push_back(size.integer);
    steps.push_back(step.integer);
    const std::int64_t most = std::max<std::int64_t>(size.integer, 1);
    std::int64_t reach = 0;
    overflow |= __builtin_mul_overflow(most - 1, step.integer, &reach) ||
                __builtin_add_overflow(last, reach, &last) ||
                __builtin_mul_overflow(bytes, most, &bytes);
    empty |= size.integer == 0;
  }
  // Check them against the storage and the limit.
  if (empty) bytes = 0;
  if (overflow || last > (INT64_MAX - item) / item ||
      (bytes > 0 && (last + 1) * item > storage.tensor.numel())) {
    throw Error({.what = "damaged PyTorch file: a tensor is larger than its storage",
                 .where = where_,
                 .found = "storage '" + printable(storage.text) + "' of " +
                          std::to_string(storage.tensor.numel()) + " bytes"});
  }
  if (static_cast<std::uint64_t>(bytes) > tensor_bytes_left_) {
    fail("its tensors repeat their storages too often");
  }
  tensor_bytes_left_ -= static_cast<std::uint64_t>(bytes);
  if (bytes == 0) return at::empty(shape, dtype);
  if (dtype == c10::kBool) check_bools(storage);
  return at::empty({0}, dtype).set_(storage.tensor.storage(), offset.integer, shape, steps);
}

// A bool that is neither 0 nor 1 would be undefined behavior later.
void TorchRebuilder::check_bools(const PickleNode& storage) {
  bool& checked = bools_checked_[storage.text];
  if (checked) return;
  const std::uint8_t* bytes = storage.tensor.const_data_ptr<std::uint8_t>();
  if (std::any_of(bytes, bytes + storage.tensor.numel(), [](std::uint8_t b) { return b > 1; })) {
    fail("storage '" + printable(storage.text) + "' holds a bool that is neither 0 nor 1");
  }
  checked = true;
}

}  // namespace roboimi
