#include "roboimi/io/parquet/schema.h"

#include <array>

#include "roboimi/common/text.h"

namespace roboimi::parquet {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxNames = 64 << 20;  // bytes of all column names together

// The values that a node inherits from the nodes above it.
struct Path {
  std::string name;
  int definition = 0;
  std::vector<std::uint8_t> list_definitions;
  int depth = 0;
};

class LeafFinder {
 public:
  explicit LeafFinder(const std::vector<SchemaElement>& schema) : schema_(schema) {}

  std::vector<Leaf> find() {
    if (schema_.empty()) fail("the footer has no schema");
    const std::int32_t columns = next().num_children;
    for (std::int32_t i = 0; i < columns; ++i) visit({}, Name::kShown);
    if (position_ != schema_.size()) {
      fail("the schema has elements outside of its tree", std::to_string(position_) + " elements",
           std::to_string(schema_.size()));
    }
    return std::move(leaves_);
  }

 private:
  // Whether a node's name is part of the column's name, or the node only wraps a list.
  enum class Name { kShown, kHidden };

  const SchemaElement& next() {
    if (position_ == schema_.size()) fail("the schema ends before its tree is complete");
    return schema_[position_++];
  }

  void visit(Path path, Name name);
  void visit_list(const SchemaElement& list, const Path& path);
  void add_leaf(const SchemaElement& element, Path path);

  const std::vector<SchemaElement>& schema_;
  std::size_t position_ = 0;
  std::size_t name_bytes_ = 0;
  std::vector<Leaf> leaves_;
};

// Adds the element to the levels of the path.
void extend(Path& path, const SchemaElement& element) {
  if (element.repetition < kRequired || element.repetition > kRepeated) {
    fail("schema element '" + printable(element.name) + "' has an unknown repetition",
         "required, optional or repeated", "number " + std::to_string(element.repetition));
  }
  if (++path.depth > kMaxDepth) {
    fail("the schema is nested too deeply", "at most " + std::to_string(kMaxDepth) + " levels");
  }
  if (element.repetition != kRequired) ++path.definition;
  if (element.repetition == kRepeated) {
    path.list_definitions.push_back(static_cast<std::uint8_t>(path.definition));
  }
}

void LeafFinder::visit(Path path, Name name) {
  const SchemaElement& element = next();
  extend(path, element);
  if (name == Name::kShown) {
    if (!path.name.empty()) path.name += '.';
    path.name += element.name;
    // Leaves repeat the names of their groups, so that a small footer could take much memory.
    name_bytes_ += path.name.size();
    if (name_bytes_ > kMaxNames) fail("the names of the columns are too long");
  }
  if (element.num_children == 0 && element.type) return add_leaf(element, std::move(path));
  if (element.is_list && element.num_children == 1) return visit_list(element, path);
  for (std::int32_t i = 0; i < element.num_children; ++i) visit(path, Name::kShown);
}

// Visits the only child of a node annotated as LIST. By the format's rules for older files
// (LogicalTypes.md, "Lists"), a repeated child is itself the element if it is a leaf, has several
// children, or has a certain name. Otherwise its only child is the element.
void LeafFinder::visit_list(const SchemaElement& list, const Path& path) {
  if (position_ == schema_.size()) fail("the schema ends before its tree is complete");
  const SchemaElement& repeated = schema_[position_];
  if (repeated.repetition != kRepeated) return visit(path, Name::kShown);
  if (repeated.num_children == 0) return visit(path, Name::kHidden);
  ++position_;
  Path inner = path;
  extend(inner, repeated);
  // A list whose elements are lists.
  if (repeated.is_list && repeated.num_children == 1) return visit_list(repeated, inner);
  const bool is_element = repeated.num_children != 1 || repeated.name == "array" ||
                          repeated.name == list.name + "_tuple";
  const Name name = is_element ? Name::kShown : Name::kHidden;
  for (std::int32_t i = 0; i < repeated.num_children; ++i) visit(inner, name);
}

void LeafFinder::add_leaf(const SchemaElement& element, Path path) {
  constexpr std::array kNames = {"BOOLEAN", "INT32",  "INT64",      "INT96",
                                 "FLOAT",   "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"};
  constexpr std::array kTypes = {Type::kBoolean,     Type::kInt32,    Type::kInt64,
                                 Type::kUnsupported, Type::kFloat,    Type::kDouble,
                                 Type::kByteArray,   Type::kByteArray};
  const std::int32_t type = *element.type;
  const bool is_known = type >= kBooleanType && type <= kFixedLenByteArrayType;
  Column column{.name = std::move(path.name),
                .type = is_known ? kTypes[static_cast<std::size_t>(type)] : Type::kUnsupported,
                .type_name = is_known ? kNames[static_cast<std::size_t>(type)]
                                      : "type number " + std::to_string(type),
                .list_depth = static_cast<int>(path.list_definitions.size()),
                .is_text = element.is_text && type == kByteArrayType,
                .is_unsigned = element.is_unsigned};
  const bool is_fixed = type == kFixedLenByteArrayType;
  if (is_fixed && element.type_length < 1) {
    column.type = Type::kUnsupported;
    column.type_name += " of length " + std::to_string(element.type_length);
  }
  if (is_fixed && element.type_length == 2 && element.is_float16) {
    column.type = Type::kFloat;
    column.type_name = "FLOAT16";
  }
  // Stored integers without their scale would be read as other numbers.
  if (element.is_decimal) {
    column.type = Type::kUnsupported;
    column.type_name = "DECIMAL";
  }
  leaves_.push_back({.column = std::move(column),
                     .physical_type = type,
                     .fixed_length = is_fixed ? static_cast<std::size_t>(element.type_length) : 0,
                     .max_definition = path.definition,
                     .list_definitions = std::move(path.list_definitions)});
}

}  // namespace

std::vector<Leaf> leaves_of(const std::vector<SchemaElement>& schema) {
  return LeafFinder(schema).find();
}

}  // namespace roboimi::parquet
