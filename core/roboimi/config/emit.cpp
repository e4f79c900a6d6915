// Writes a ConfigNode as YAML: maps as blocks, lists of scalars on one line.
#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/config/node.h"

namespace roboimi {
namespace {

// Returns whether the string is not safe as a plain scalar, at least for some YAML readers.
bool needs_quotes(const std::string& text) {
  if (text.empty() || text == "~" || text == "<<") return true;
  const auto is_control = [](char letter) {
    return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f;
  };
  return std::any_of(text.begin(), text.end(), is_control) || text.front() == ' ' ||
         text.back() == ' ';
}

void emit_text(YAML::Emitter& emitter, const std::string& text, bool quoted) {
  if (quoted || needs_quotes(text)) emitter << YAML::DoubleQuoted;
  emitter << text;
}

void emit(YAML::Emitter& emitter, const ConfigNode& node);

void emit_sequence(YAML::Emitter& emitter, const ConfigNode& node) {
  const bool flat = std::all_of(node.items().begin(), node.items().end(), [](const auto& item) {
    return item.is_scalar() || item.is_null();
  });
  emitter << (flat ? YAML::Flow : YAML::Block) << YAML::BeginSeq;
  for (const ConfigNode& item : node.items()) emit(emitter, item);
  emitter << YAML::EndSeq;
}

void emit(YAML::Emitter& emitter, const ConfigNode& node) {
  switch (node.kind()) {
    case ConfigNode::Kind::kNull:
      emitter << YAML::Null;
      return;
    case ConfigNode::Kind::kScalar:
      emit_text(emitter, node.text(), node.quoted());
      return;
    case ConfigNode::Kind::kSequence:
      emit_sequence(emitter, node);
      return;
    case ConfigNode::Kind::kMap:
      emitter << (node.entries().empty() ? YAML::Flow : YAML::Block) << YAML::BeginMap;
      for (const auto& [key, value] : node.entries()) {
        emitter << YAML::Key;
        emit_text(emitter, key, false);
        emitter << YAML::Value;
        emit(emitter, value);
      }
      emitter << YAML::EndMap;
      return;
  }
}

}  // namespace

std::string ConfigNode::to_yaml() const {
  YAML::Emitter emitter;
  emitter.SetNullFormat(YAML::LowerNull);
  emit(emitter, *this);
  ROBOIMI_CHECK(emitter.good(), emitter.GetLastError());
  return std::string(emitter.c_str()) + "\n";
}

}  // namespace roboimi
