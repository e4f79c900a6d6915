#include "roboimi/io/weight_selection.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_set>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/common/text.h"

namespace roboimi {
namespace {

// Words that PyTorch's wrappers add to names: data parallel, torch.compile, FSDP, activation
// checkpointing.
constexpr std::string_view kWrappers[] = {"module", "_orig_mod", "_fsdp_wrapped_module",
                                          "_fpw_module", "_checkpoint_wrapped_module"};
constexpr std::size_t kNamesListed = 8;

// The name without the wrappers' words, which are added to `taken`.
std::string without_wrappers(std::string_view name, std::set<std::string>& taken) {
  std::string kept;
  while (!name.empty()) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    const std::string_view part = name.substr(0, dot);
    const bool last = dot == name.size();
    name.remove_prefix(last ? dot : dot + 1);
    if (!last &&
        std::find(std::begin(kWrappers), std::end(kWrappers), part) != std::end(kWrappers)) {
      taken.insert(std::string(part) + ".");
      continue;
    }
    kept += part;
    if (!last) kept += '.';
  }
  return kept;
}

class Selector {
 public:
  Selector(const CheckpointFile& file, const WeightNames& names, const std::string& source)
      : file_(file),
        names_(names),
        source_(source),
        expected_(names.expected.begin(), names.expected.end()) {}

  WeightSelection select() {
    WeightSelection selected{.source = source_};
    const std::string prefix = chosen_prefix();
    log_place();
    // Map the names of readable and unreadable tensors.
    std::set<std::string> taken;
    for (const auto& [original, tensor] : file_.tensors) {
      if (const auto name = name_under(prefix, original, taken, selected)) {
        if (!selected.tensors.emplace(*name, tensor).second) {
          fail_twice(*name, selected.names.at(*name), original);
        }
        selected.names[*name] = original;
      }
    }
    for (const auto& [original, kind] : file_.unread) {
      if (const auto name = name_under(prefix, original, taken, selected)) {
        selected.unread[*name] = kind;
      }
    }
    // Report the removed prefixes.
    if (!prefix.empty()) taken.insert(prefix);
    selected.prefixes.assign(taken.begin(), taken.end());
    return selected;
  }

 private:
  std::string renamed(const std::string& name) const {
    return names_.rename ? names_.rename(name) : name;
  }
  std::map<std::string, std::unordered_set<std::string>> prefixes() const;
  std::string chosen_prefix() const;
  std::optional<std::string> name_under(const std::string& prefix, const std::string& original,
                                        std::set<std::string>& taken,
                                        WeightSelection& selected) const;
  void log_place() const;
  [[noreturn]] void fail_none() const;
  [[noreturn]] void fail_several(const std::vector<std::string>& prefixes) const;
  [[noreturn]] void fail_twice(const std::string& name, const std::string& first,
                               const std::string& second) const;

  const CheckpointFile& file_;
  const WeightNames& names_;
  const std::string& source_;
  const std::unordered_set<std::string> expected_;
};

// All prefixes of expected names, each with the expected names that it occurs with.
std::map<std::string, std::unordered_set<std::string>> Selector::prefixes() const {
  std::map<std::string, std::unordered_set<std::string>> found;
  std::set<std::string> ignored;
  const auto look = [&](const std::string& original) {
    const std::string name = without_wrappers(original, ignored);
    for (std::size_t start = 0; start <= name.size();) {
      const std::string rest = renamed(name.substr(start));
      if (expected_.contains(rest)) found[name.substr(0, start)].insert(rest);
      const std::size_t dot = name.find('.', start);
      if (dot == std::string::npos) break;
      start = dot + 1;
    }
  };
  for (const auto& [name, tensor] : file_.tensors) look(name);
  for (const auto& [name, kind] : file_.unread) look(name);
  return found;
}

// Whether the prefix is "", "model." or "model.model.", which training frameworks add to any
// policy.
bool is_plain(std::string_view prefix) {
  while (prefix.starts_with("model.")) prefix.remove_prefix(6);
  return prefix.empty();
}

std::string Selector::chosen_prefix() const {
  // Find the prefixes with nearly all expected names. Another part of the file may share a few
  // names by chance; another copy of the model shares nearly all.
  const auto found = prefixes();
  if (found.empty()) fail_none();
  std::size_t most = 0;
  for (const auto& [prefix, names] : found) most = std::max(most, names.size());
  std::vector<std::string> fitting, plain;
  for (const auto& [prefix, names] : found) {
    if (5 * names.size() < 4 * most) continue;
    fitting.push_back(prefix);
    if (is_plain(prefix)) plain.push_back(prefix);
  }
  // Take the only one, or the only plain one.
  if (fitting.size() == 1) return fitting.front();
  if (plain.size() != 1) fail_several(fitting);
  std::erase(fitting, plain.front());
  logger().info("{}: using {} under '{}'; set state_dict to use another one: {}", source_,
                names_.model, plain.front(), fmt::join(fitting, ", "));
  return plain.front();
}

// Logs where the weights come from, unless that is obvious.
void Selector::log_place() const {
  std::vector<std::string> others = file_.state_dicts;
  std::erase(others, file_.state_dict);
  if (file_.state_dict.empty() || (file_.state_dict == "state_dict" && others.empty())) return;
  logger().info("{}: using the weights at '{}'{}", source_, file_.state_dict,
                others.empty()
                    ? ""
                    : fmt::format("; set state_dict to use others: {}", fmt::join(others, ", ")));
}

// The model's name for a tensor of the file. If it is not part of the model, adds it to
// `selected.left_out` and returns nullopt.
std::optional<std::string> Selector::name_under(const std::string& prefix,
                                                const std::string& original,
                                                std::set<std::string>& taken,
                                                WeightSelection& selected) const {
  std::set<std::string> taken_here;
  const std::string clean = without_wrappers(original, taken_here);
  if (clean.starts_with(prefix)) {
    const std::string rest = clean.substr(prefix.size());
    const std::string name = renamed(rest);
    const auto starts = [&](const std::string& part) { return name.starts_with(part); };
    if (names_.parts.empty() || std::any_of(names_.parts.begin(), names_.parts.end(), starts)) {
      selected.renamed += name != rest;
      taken.merge(taken_here);
      return name;
    }
  }
  selected.left_out.push_back(original);
  return std::nullopt;
}

void Selector::fail_none() const {
  std::vector<std::string> some;
  for (const auto& [name, tensor] : file_.tensors) {
    if (some.size() < kNamesListed) some.push_back(printable(name, 100));
  }
  const std::vector<std::string> expected(
      names_.expected.begin(),
      names_.expected.begin() +
          static_cast<std::ptrdiff_t>(std::min<std::size_t>(3, names_.expected.size())));
  throw Error(
      {.what = "the file holds no weights of " + names_.model,
       .where = source_,
       .expected = fmt::format("names like {}, possibly with a prefix", fmt::join(expected, ", ")),
       .found = fmt::format("{} tensors: {}{}", file_.tensors.size(), fmt::join(some, ", "),
                            file_.tensors.size() > some.size() ? ", ..." : ""),
       .next = "see what it holds: roboimi checkpoint inspect " + source_});
}

void Selector::fail_several(const std::vector<std::string>& prefixes) const {
  std::vector<std::string> choices;
  for (const std::string& prefix : prefixes) {
    const std::string place = prefix.empty() ? "" : prefix.substr(0, prefix.size() - 1);
    choices.push_back(place.empty() ? "the top of the file" : printable(place));
  }
  throw Error({.what = "the file holds " + names_.model + " more than once",
               .where = source_,
               .expected = "the option state_dict, to select one",
               .found = fmt::format("{}", fmt::join(choices, ", ")),
               .next = "set state_dict: " + choices.back()});
}

void Selector::fail_twice(const std::string& name, const std::string& first,
                          const std::string& second) const {
  throw Error({.what = fmt::format("two tensors have the name '{}'", printable(name)),
               .where = source_,
               .found = fmt::format("{} and {}", printable(first), printable(second))});
}

}  // namespace

std::vector<std::string> WeightSelection::missing(const std::vector<std::string>& wanted) const {
  std::vector<std::string> absent;
  for (const std::string& name : wanted) {
    if (!tensors.contains(name)) absent.push_back(name);
  }
  return absent;
}

WeightSelection select_weights(const CheckpointFile& file, const WeightNames& names,
                               const std::string& source) {
  return Selector(file, names, source).select();
}

}  // namespace roboimi
