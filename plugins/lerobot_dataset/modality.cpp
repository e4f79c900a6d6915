#include "plugins/lerobot_dataset/modality.h"

#include <fmt/format.h>

#include "plugins/lerobot_dataset/json_file.h"
#include "roboimi/common/error.h"
#include "roboimi/common/text.h"

namespace roboimi::lerobot_dataset {
namespace {

std::string original_key(const Json& entry, const std::string& otherwise) {
  const auto found = entry.find("original_key");
  return found != entry.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

// Throws Error unless the slice [start, end) lies in the vector that it names.
void check_slice(const std::string& name, const Json& entry, const Feature& feature,
                 const std::filesystem::path& file) {
  const auto start = entry.find("start"), end = entry.find("end");
  const bool are_integers = start != entry.end() && end != entry.end() &&
                            start->is_number_integer() && end->is_number_integer();
  const std::int64_t first = are_integers ? start->get<std::int64_t>() : -1;
  const std::int64_t last = are_integers ? end->get<std::int64_t>() : -1;
  if (first >= 0 && first < last && last <= feature.width()) return;
  throw Error({.what = fmt::format("the slice '{}' does not fit the feature '{}'", printable(name),
                                   printable(feature.name)),
               .where = file.string(),
               .expected = fmt::format("0 <= start < end <= {}", feature.width()),
               .found = shown(entry),
               .next = "correct the slice, or remove meta/modality.json: it is optional"});
}

void check_slices(const Json& json, const char* part, const std::string& default_feature,
                  const InfoFile& info, const std::filesystem::path& file, Findings& findings) {
  const auto slices = json.find(part);
  if (slices == json.end() || !slices->is_object()) return;
  for (const auto& [name, entry] : slices->items()) {
    if (!entry.is_object()) continue;
    const std::string key = original_key(entry, default_feature);
    if (const Feature* feature = info.find(key)) {
      check_slice(name, entry, *feature, file);
    } else {
      findings.warn(fmt::format("{}: '{}.{}' refers to the feature '{}', which does not exist",
                                file.string(), part, name, key));
    }
  }
}

}  // namespace

Modality read_modality(const InfoFile& info, Findings& findings) {
  const std::filesystem::path file = info.folder() / "meta" / "modality.json";
  if (!std::filesystem::exists(file)) return {};
  Modality modality{.file = file};
  const Json json = read_json(file);
  if (!json.is_object()) {
    throw Error({.what = "the file is not a table",
                 .where = file.string(),
                 .expected = "a JSON object",
                 .found = shown(json)});
  }
  check_slices(json, "state", "observation.state", info, file, findings);
  check_slices(json, "action", "action", info, file, findings);
  if (const auto videos = json.find("video"); videos != json.end() && videos->is_object()) {
    for (const auto& [name, entry] : videos->items()) {
      const std::string otherwise = "observation.images." + name;
      modality.cameras[name] = entry.is_object() ? original_key(entry, otherwise) : otherwise;
    }
  }
  return modality;
}

}  // namespace roboimi::lerobot_dataset
