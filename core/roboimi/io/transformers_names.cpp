#include "roboimi/io/transformers_names.h"

#include <array>
#include <string_view>

namespace roboimi {
namespace {

struct Rename {
  std::string_view old_name, new_name;
};

// Names within a layer. A name that ends with another one must come before it.
constexpr std::array<Rename, 6> kLayerParts = {{{"attention.attention.query", "attention.q_proj"},
                                                {"attention.attention.key", "attention.k_proj"},
                                                {"attention.attention.value", "attention.v_proj"},
                                                {"attention.output.dense", "attention.o_proj"},
                                                {"intermediate.dense", "mlp.fc1"},
                                                {"output.dense", "mlp.fc2"}}};
constexpr Rename kLayers = {"encoder.layer.", "layers."};

// Replaces PREFIX and PART in "PREFIX N . PART .weight".
std::string rename(const std::string& name, bool to_new) {
  auto from = [&](const Rename& r) { return to_new ? r.old_name : r.new_name; };
  auto to = [&](const Rename& r) { return std::string(to_new ? r.new_name : r.old_name); };
  if (!name.starts_with(from(kLayers))) return name;
  const std::size_t number = from(kLayers).size();
  const std::size_t dot = name.find('.', number);
  if (dot == std::string::npos) return name;
  std::string part = name.substr(dot + 1);
  for (const Rename& r : kLayerParts) {
    if (part.starts_with(std::string(from(r)) + ".")) {
      part = to(r) + part.substr(from(r).size());
      break;
    }
  }
  return to(kLayers) + name.substr(number, dot - number + 1) + part;
}

}  // namespace

std::string to_transformers5_name(const std::string& name) { return rename(name, true); }
std::string to_transformers4_name(const std::string& name) { return rename(name, false); }

}  // namespace roboimi
