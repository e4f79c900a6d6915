#include "modules/lewm/checkpoint_names.h"

#include <array>
#include <string_view>

#include "modules/vit/transformers_names.h"

namespace roboimi {
namespace {

constexpr std::array<std::string_view, 3> kPrefixes = {"model.", "module.", "_orig_mod."};

std::string without_prefixes(std::string name) {
  for (bool stripped = true; stripped;) {
    stripped = false;
    for (const std::string_view prefix : kPrefixes) {
      if (name.starts_with(prefix)) {
        name.erase(0, prefix.size());
        stripped = true;
      }
    }
  }
  // A compiled part inside: encoder._orig_mod.layers...
  constexpr std::string_view kCompiled = "._orig_mod.";
  for (std::size_t at; (at = name.find(kCompiled)) != std::string::npos;) {
    name.erase(at, kCompiled.size() - 1);
  }
  return name;
}

}  // namespace

std::string lewm_name(std::string name) {
  name = without_prefixes(std::move(name));
  constexpr std::string_view kEncoder = "encoder.";
  if (!name.starts_with(kEncoder)) return name;
  return std::string(kEncoder) + to_transformers5_name(name.substr(kEncoder.size()));
}

}  // namespace roboimi
