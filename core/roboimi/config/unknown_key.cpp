#include "roboimi/config/unknown_key.h"

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/config/did_you_mean.h"

namespace roboimi::config {
namespace {

// The keys that end with ".NAME", if there are only a few: `batch_size` probably means
// `train.batch_size`.
std::vector<std::string> keys_named(const std::string& name,
                                    const std::vector<std::string>& known) {
  constexpr std::size_t kMostKeys = 3;
  std::vector<std::string> found;
  for (const std::string& key : known) {
    const bool is_new = std::ranges::find(found, key) == found.end();
    if (is_new && key.ends_with("." + name)) found.push_back(key);
  }
  return found.size() <= kMostKeys ? found : std::vector<std::string>();
}

// The keys that `key` may stand for: one of its section with the usual name, or those of any
// section with that name if `key` has no section or another program's name.
std::vector<std::string> similar_keys(const std::string& key,
                                      const std::vector<std::string>& known) {
  const std::size_t dot = key.rfind('.');
  const std::string section = dot == std::string::npos ? "" : key.substr(0, dot + 1);
  const std::string last = key.substr(section.size());
  const std::string usual = usual_name(last);
  if (usual == last) return section.empty() ? keys_named(key, known) : std::vector<std::string>();
  if (std::ranges::find(known, section + usual) != known.end()) return {section + usual};
  return keys_named(usual, known);
}

}  // namespace

void fail_unknown_key(const Override& change, const std::vector<std::string>& known, bool may_add) {
  std::string next;
  for (const std::string& key : similar_keys(change.key, known)) {
    next += (next.empty() ? "did you mean '" : " or '") + key + "'";
  }
  next = next.empty() ? did_you_mean(change.key, known) : next + "?";
  if (may_add && change.action == Override::Action::kChange) {
    next += (next.empty() ? "'+" : " '+") + printable(change.text) + "' adds a new key";
  }
  throw Error({.what = "unknown key '" + printable(change.key) + "'",
               .where = "command line",
               .expected = "a key that the config has",
               .next = next});
}

}  // namespace roboimi::config
