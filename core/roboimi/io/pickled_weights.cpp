#include "roboimi/io/pickled_weights.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <type_traits>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"

namespace roboimi {
namespace {

using Kind = PickleNode::Kind;

// A graph of shared modules unfolds into a much larger tree, so the walk is limited, too.
constexpr int kMaxModuleDepth = 100, kMaxPlaceDepth = 6;
constexpr std::size_t kMaxSteps = 1'000'000, kMaxTensors = 100'000, kMaxNameSize = 1000;
constexpr std::size_t kMaxListed = 1000, kMaxPlaces = 64, kMaxListItems = 32;

// A dict of tensors or a module, and its path: "state_dicts.ema_model", "" at the top level.
struct Place {
  std::string path;
  const PickleNode* node;
};

bool is_module(const PickleNode& node) {
  return node.is(Kind::kObject) && node.find("_parameters") != nullptr &&
         node.find("_modules") != nullptr;
}

bool holds_tensors(const PickleNode& node) {
  return node.is(Kind::kDict) &&
         std::any_of(node.entries.begin(), node.entries.end(),
                     [](const auto& entry) { return entry.second->is(Kind::kTensor); });
}

// Whether a dict has floating-point tensors under string keys. The states of optimizers and random
// generators do not.
bool holds_weights(const PickleNode& node) {
  return node.is(Kind::kDict) &&
         std::any_of(node.entries.begin(), node.entries.end(), [](const auto& entry) {
           return entry.first->is(Kind::kText) && entry.second->is(Kind::kTensor) &&
                  entry.second->tensor.dim() > 0 && entry.second->tensor.is_floating_point();
         });
}

std::string key_text(const PickleNode& key) {
  return key.is(Kind::kText) && key.text.size() <= kMaxNameSize ? key.text : describe(key);
}

std::string join_path(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

// Finds every place that holds weights, each once, outer places before inner ones.
class PlaceFinder {
 public:
  std::vector<Place> find(const PickleNode& root) {
    visit(root, "", 0);
    return std::move(places_);
  }

 private:
  void visit(const PickleNode& node, const std::string& path, int depth);
  void visit_entries(const PickleNode& dict, const std::string& path, int depth);

  std::vector<Place> places_;
  std::set<const PickleNode*> visited_;
  std::size_t steps_ = 0;  // entries looked at: many objects may share one large state
};

void PlaceFinder::visit(const PickleNode& node, const std::string& path, int depth) {
  if (depth > kMaxPlaceDepth || steps_ > kMaxSteps || places_.size() >= kMaxPlaces ||
      path.size() > kMaxNameSize || !visited_.insert(&node).second) {
    return;
  }
  steps_ += 1 + node.entries.size() + (node.state == nullptr ? 0 : node.state->entries.size());
  if (is_module(node) || holds_weights(node)) places_.push_back({path, &node});
  if (is_module(node)) return;
  if (node.is(Kind::kDict)) visit_entries(node, path, depth);
  // A wrapper object keeps its module in its state.
  if (node.is(Kind::kObject) && node.state != nullptr && node.state->is(Kind::kDict)) {
    visit_entries(*node.state, path, depth);
  }
  if (node.is(Kind::kList) || node.is(Kind::kTuple)) {
    for (std::size_t i = 0; i < std::min(node.items.size(), kMaxListItems); ++i) {
      visit(*node.items[i], join_path(path, std::to_string(i)), depth + 1);
    }
  }
}

void PlaceFinder::visit_entries(const PickleNode& dict, const std::string& path, int depth) {
  for (const auto& [key, value] : dict.entries) {
    if (!key->is(Kind::kText) || key->text.find("optim") != std::string::npos) continue;
    visit(*value, join_path(path, key->text), depth + 1);
  }
}

// Collects the tensors and lists the other contents.
class Collector {
 public:
  Collector(CheckpointFile& file, const std::filesystem::path& path) : file_(file), path_(path) {}

  // Adds the tensors of one place, with `prefix` before their names.
  void add(const PickleNode& node, const std::string& prefix);
  void list(const std::string& name, const PickleNode& node);
  [[noreturn]] void fail(const std::string& what) const;

 private:
  void add_tensors(const PickleNode& dict, const std::string& prefix);
  void add_buffers(const PickleNode& module, const std::string& prefix);
  void add_module(const PickleNode& module, const std::string& prefix, int depth);
  // Returns false if the node is not a tensor.
  bool keep(const std::string& name, const PickleNode& node);
  void walk(std::size_t steps);

  CheckpointFile& file_;
  const std::filesystem::path& path_;
  std::size_t steps_left_ = kMaxSteps;
};

void Collector::fail(const std::string& what) const {
  throw Error({.what = what, .where = path_.string()});
}

void Collector::walk(std::size_t steps) {
  if (steps > steps_left_) fail("its modules repeat each other too often");
  steps_left_ -= steps;
}

bool Collector::keep(const std::string& name, const PickleNode& node) {
  const std::string unread = unread_tensor(node);
  if (!node.is(Kind::kTensor) && unread.empty()) return false;
  if (file_.tensors.size() + file_.unread.size() >= kMaxTensors) fail("it names too many tensors");
  if (unread.empty()) {
    file_.tensors[name] = node.tensor;
  } else {
    file_.unread[name] = unread;
  }
  return true;
}

void Collector::list(const std::string& name, const PickleNode& node) {
  if (file_.other_contents.size() >= kMaxListed) return;
  file_.other_contents.push_back(printable(name, 100) + ": " + describe(node));
}

void Collector::add_tensors(const PickleNode& dict, const std::string& prefix) {
  walk(dict.entries.size());
  for (const auto& [key, value] : dict.entries) {
    const std::string name = prefix + key_text(*key);
    // A module without a bias has None instead.
    if (!keep(name, *value) && !value->is(Kind::kNone)) list(name, *value);
  }
}

void Collector::add_buffers(const PickleNode& module, const std::string& prefix) {
  const PickleNode* buffers = module.find("_buffers");
  if (buffers == nullptr) return;
  std::set<std::string_view> temporary;
  if (const PickleNode* names = module.find("_non_persistent_buffers_set")) {
    walk(names->items.size());
    for (const PickleNode* name : names->items) temporary.insert(name->text);
  }
  walk(buffers->entries.size());
  for (const auto& [key, value] : buffers->entries) {
    if (!temporary.contains(key->text)) keep(prefix + key_text(*key), *value);
  }
}

// Adds the tensors that the module's state_dict() would return, under the same names.
void Collector::add_module(const PickleNode& module, const std::string& prefix, int depth) {
  if (depth > kMaxModuleDepth || prefix.size() > kMaxNameSize)
    fail("its modules are nested too deeply");
  if (const PickleNode* parameters = module.find("_parameters")) add_tensors(*parameters, prefix);
  add_buffers(module, prefix);
  const PickleNode* children = module.find("_modules");
  if (children == nullptr) return;
  walk(children->entries.size());
  for (const auto& [key, child] : children->entries) {
    // Many children may share one large state.
    if (child->state != nullptr) walk(child->state->entries.size());
    if (is_module(*child)) add_module(*child, prefix + key_text(*key) + ".", depth + 1);
  }
}

void Collector::add(const PickleNode& node, const std::string& prefix) {
  is_module(node) ? add_module(node, prefix, 0) : add_tensors(node, prefix);
}

// The weights under Lightning's key, or under one that training scripts commonly use.
std::optional<Place> usual_place(const PickleNode& root) {
  for (const char* key : {"state_dict", "model_state_dict", "model", "module"}) {
    const PickleNode* weights = root.is(Kind::kDict) ? root.find(key) : nullptr;
    if (weights != nullptr && (holds_tensors(*weights) || is_module(*weights))) {
      return Place{key, weights};
    }
  }
  return std::nullopt;
}

// The place to read; nullopt if several are possible, or if `state_dict` is a prefix of names.
std::optional<Place> chosen_place(const PickleNode& root, const std::vector<Place>& places,
                                  const std::string& state_dict) {
  if (!state_dict.empty()) {
    const auto named = std::find_if(places.begin(), places.end(),
                                    [&](const Place& place) { return place.path == state_dict; });
    return named == places.end() ? std::nullopt : std::optional(*named);
  }
  if (auto usual = usual_place(root)) return usual;
  if (places.size() == 1) return places.front();
  if (places.empty() && holds_tensors(root)) return Place{"", &root};
  return std::nullopt;
}

std::string layout_of(const Place& place) {
  if (is_module(*place.node)) return "module";
  return place.path == "state_dict" ? "lightning" : "state_dict";
}

// Lists the other contents at the top level of the file.
void list_others(const PickleNode& root, const PickleNode* taken, Collector& collector) {
  if (root.is(Kind::kDict)) {
    for (const auto& [name, value] : root.entries) {
      if (value != taken) collector.list(key_text(*name), *value);
    }
  } else if (is_module(root)) {
    collector.list("class", root);
  } else {
    collector.list("the file", root);
  }
}

}  // namespace

bool keep_under(CheckpointFile& file, const std::string& start) {
  const auto below = [&](const auto& named) {
    std::remove_cvref_t<decltype(named)> kept;
    for (const auto& [name, value] : named) {
      if (name.starts_with(start + ".")) kept.emplace(name.substr(start.size() + 1), value);
    }
    return kept;
  };
  auto tensors = below(file.tensors);
  if (tensors.empty()) return false;
  file.unread = below(file.unread);
  file.tensors = std::move(tensors);
  file.state_dict = join_path(file.state_dict, start);
  return true;
}

void fail_state_dict(const CheckpointFile& file, const std::string& state_dict,
                     const std::filesystem::path& path) {
  std::vector<std::string> places;
  for (const std::string& place : file.state_dicts) {
    places.push_back(place.empty() ? "the file itself" : printable(place));
  }
  throw Error({.what = "the file has no weights at '" + printable(state_dict) + "'",
               .where = path.string(),
               .expected = "state_dict: a place in the file that holds weights",
               .found = places.empty() ? "none" : fmt::format("{}", fmt::join(places, ", ")),
               .next = "see what it holds: roboimi checkpoint inspect " + path.string()});
}

CheckpointFile weights_in(const PickleGraph& graph, const std::string& state_dict,
                          const std::filesystem::path& path) {
  // Find the places with weights, and the one to read.
  const PickleNode& root = *graph.root;
  const std::vector<Place> places = PlaceFinder().find(root);
  CheckpointFile file;
  Collector collector(file, path);
  for (const Place& place : places) file.state_dicts.push_back(place.path);
  const std::optional<Place> chosen = chosen_place(root, places, state_dict);
  // Read it, or all of them.
  if (chosen) {
    file.layout = layout_of(*chosen);
    file.state_dict = chosen->path;
    collector.add(*chosen->node, "");
  } else {
    file.layout = places.empty() ? "" : "state_dicts";
    for (const Place& place : places) {
      collector.add(*place.node, place.path.empty() ? "" : place.path + ".");
    }
  }
  // Without a place of this name, `state_dict` is a prefix of names, possibly in the usual place.
  if (!chosen && !state_dict.empty() && !keep_under(file, state_dict)) {
    const auto usual = usual_place(root);
    if (!usual || !keep_under(file, join_path(usual->path, state_dict))) {
      fail_state_dict(file, state_dict, path);
    }
  }
  const PickleNode* taken = chosen ? chosen->node : nullptr;
  if (taken != &root || is_module(root)) list_others(root, taken, collector);
  return file;
}

}  // namespace roboimi
