#include "app/check_streams.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "roboimi/common/error.h"
#include "roboimi/config/declare.h"

namespace roboimi::app {
namespace {

constexpr char kForm[] = "NAME=KIND[:SHAPE[:DTYPE]], such as wrench=vector:6";

// The description of a stream, without its name.
struct WrittenStream {
  StreamKind kind = StreamKind::kVector;
  std::vector<std::int64_t> shape;
  std::optional<std::string> dtype;
  std::string unit;
  std::vector<std::string> element_names;
};

void declare(OptionFields& fields, WrittenStream& o) {
  fields.choice(
      "kind", o.kind,
      named({StreamKind::kRgb, StreamKind::kDepth, StreamKind::kVector, StreamKind::kText}),
      "kind of the stream");
  fields.integers("shape", o.shape, "shape of one time step; empty: the default of the kind")
      .at_least(1);
  fields.text("dtype", o.dtype, "uint8, uint16 or float32; default: that of the kind")
      .one_of({"uint8", "uint16", "float32"});
  fields.optional_text("unit", o.unit, "unit of the values; default for depth: m or mm");
  fields.texts("element_names", o.element_names, "names of a vector's elements");
}

// The stream of a kind, with its default shape.
StreamSpec default_stream(const std::string& name, StreamKind kind) {
  constexpr ImageSize kSize = {.height = 72, .width = 96};
  constexpr std::int64_t kElements = 6, kBytes = 32;
  switch (kind) {
    case StreamKind::kRgb:
      return rgb_stream(name, kSize);
    case StreamKind::kDepth:
      return depth_stream(name, kSize);
    case StreamKind::kText:
      return text_stream(name, kBytes);
    case StreamKind::kVector:
      break;
  }
  return vector_stream(name, kElements);
}

// The dtypes of a kind, the default first.
std::vector<std::string> dtypes_of(StreamKind kind) {
  if (kind == StreamKind::kVector) return {"float32"};
  if (kind == StreamKind::kDepth) return {"float32", "uint16"};
  return {"uint8"};
}

StreamSpec made_stream(const std::string& name, const Options& options) {
  // Shape: an RGB image may be written without its three channels.
  const auto written = options_from<WrittenStream>(options);
  StreamSpec stream = default_stream(name, written.kind);
  std::vector<std::int64_t> shape = written.shape.empty() ? stream.shape : written.shape;
  if (written.kind == StreamKind::kRgb && shape.size() == 2) shape.push_back(3);
  if (shape.size() != stream.shape.size() ||
      (written.kind == StreamKind::kRgb && shape.back() != 3)) {
    options.fail("shape",
                 fmt::format("is not a shape of a stream of kind {}", to_string(written.kind)),
                 stream.is_image() ? "height and width" : "one number");
  }
  stream.shape = shape;
  // Dtype and unit.
  const std::vector<std::string> dtypes = dtypes_of(written.kind);
  const std::string dtype = written.dtype.value_or(dtypes.front());
  if (std::ranges::find(dtypes, dtype) == dtypes.end()) {
    options.fail("dtype",
                 fmt::format("is not a dtype of a stream of kind {}", to_string(written.kind)),
                 fmt::format("{}", fmt::join(dtypes, " or ")));
  }
  if (dtype == "uint16") {
    stream.dtype = at::kUInt16;
    stream.unit = "mm";
  }
  if (!written.unit.empty()) stream.unit = written.unit;
  stream.element_names = written.element_names;
  return stream;
}

StreamSpec read_stream(const std::string& name, const ConfigNode& node) {
  return made_stream(name, parse_options(node, schema_of<WrittenStream>(), "streams." + name));
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char letter : text) {
    if (letter == separator) {
      parts.emplace_back();
    } else {
      parts.back() += letter;
    }
  }
  return parts;
}

}  // namespace

StreamSpec stream_of(const std::string& words) {
  // Split NAME=KIND:SHAPE:DTYPE.
  const SourceLocation location{.file = "command line"};
  const std::size_t equals = words.find('=');
  const std::vector<std::string> parts = equals == std::string::npos
                                             ? std::vector<std::string>()
                                             : split(words.substr(equals + 1), ':');
  if (equals == 0 || parts.empty() || parts.size() > 3) {
    throw Error({.what = fmt::format("--stream {} is not a stream", words), .expected = kForm});
  }
  // Read them like an entry of a file.
  ConfigNode node = ConfigNode::map(location);
  node.set("kind", ConfigNode::scalar(parts[0], location));
  if (parts.size() > 1) {
    std::vector<ConfigNode> sizes;
    for (const std::string& size : split(parts[1], 'x')) {
      sizes.push_back(ConfigNode::scalar(size, location));
    }
    node.set("shape", ConfigNode::sequence(std::move(sizes), location));
  }
  if (parts.size() > 2) node.set("dtype", ConfigNode::scalar(parts[2], location));
  return read_stream(words.substr(0, equals), node);
}

std::vector<StreamSpec> take_streams(ConfigNode& options, const Schema& schema) {
  const ConfigNode* const table =
      options.is_map() && schema.find("streams") == nullptr ? options.find("streams") : nullptr;
  if (table == nullptr) return {};
  if (!table->is_map()) {
    throw Error({.what = "`streams` is not a table",
                 .where = table->location().to_string(),
                 .expected = "{NAME: {kind: KIND, shape: [...]}}"});
  }
  std::vector<StreamSpec> streams;
  for (const auto& [name, node] : table->entries()) streams.push_back(read_stream(name, node));
  options.erase_path("streams");
  return streams;
}

}  // namespace roboimi::app
