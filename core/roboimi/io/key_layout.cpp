#include "roboimi/io/key_layout.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

std::vector<std::string_view> split_at_dots(std::string_view name) {
  std::vector<std::string_view> parts;
  for (std::size_t dot; (dot = name.find('.')) != std::string_view::npos;) {
    parts.push_back(name.substr(0, dot));
    name.remove_prefix(dot + 1);
  }
  parts.push_back(name);
  return parts;
}

// `name` written as `replacement`, when it matches `pattern`.
std::optional<std::string> rewrite(std::string_view name, std::string_view pattern,
                                   std::string_view replacement) {
  const auto parts = split_at_dots(name), wanted = split_at_dots(pattern);
  if (parts.size() != wanted.size()) return std::nullopt;
  std::vector<std::string_view> carried;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (wanted[i] == "*") {
      carried.push_back(parts[i]);
    } else if (wanted[i] != parts[i]) {
      return std::nullopt;
    }
  }
  std::string result;
  std::size_t next = 0;
  for (const std::string_view part : split_at_dots(replacement)) {
    if (!result.empty()) result += '.';
    result += part == "*" ? carried.at(next++) : part;
  }
  return result;
}

std::string without_prefixes(std::string name, const KeyLayout& layout,
                             std::set<std::string>& taken) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string& prefix : layout.prefixes) {
      if (!name.starts_with(prefix)) continue;
      name.erase(0, prefix.size());
      taken.insert(prefix);
      again = true;
    }
  }
  for (const std::string& prefix : layout.prefixes) {
    if (!prefix.starts_with('_')) continue;
    const std::string inside = "." + prefix;
    for (std::size_t at; (at = name.find(inside)) != std::string::npos;) {
      name.erase(at, prefix.size());
      taken.insert(prefix);
    }
  }
  return name;
}

}  // namespace

RenamedKeys rename_keys(const KeyLayout& layout, const std::map<std::string, at::Tensor>& tensors,
                        const std::filesystem::path& path) {
  RenamedKeys result;
  std::set<std::string> taken;
  for (const auto& [original, tensor] : tensors) {
    std::set<std::string> taken_here;
    std::string name = without_prefixes(original, layout, taken_here);
    const auto starts = [&](const std::string& start) { return name.starts_with(start); };
    if (std::none_of(layout.kept.begin(), layout.kept.end(), starts)) {
      result.left_out.push_back(original);
      continue;
    }
    taken.merge(taken_here);
    for (const auto& [pattern, replacement] : layout.renamings) {
      const auto renamed = rewrite(name, pattern, replacement);
      if (!renamed) continue;
      name = *renamed;
      result.renamed = true;
      break;
    }
    if (!result.tensors.emplace(name, tensor).second) {
      throw Error({.what = "two weights have one name, '" + name + "'",
                   .where = path.string(),
                   .found = "'" + original + "' among them"});
    }
  }
  for (const std::string& name : layout.required) {
    if (!result.tensors.contains(name)) result.missing.push_back(name);
  }
  result.prefixes.assign(taken.begin(), taken.end());
  return result;
}

}  // namespace roboimi
