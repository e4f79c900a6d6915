#include "roboimi/io/checkpoint_file.h"

#include <ATen/ATen.h>

#include <set>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/text.h"
#include "roboimi/io/safetensors.h"
#include "roboimi/io/torch_file.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using Kind = PickleNode::Kind;

// A graph of shared modules unfolds into a tree, so the walk is bounded, not only the graph.
constexpr int kMaxModuleDepth = 100;
constexpr std::size_t kMaxSteps = 1'000'000, kMaxTensors = 100'000, kMaxNameSize = 1000;
constexpr std::size_t kMaxListed = 1000;

// Collects tensors and what else there is.
class Collector {
 public:
  Collector(CheckpointFile& file, const fs::path& path) : file_(file), path_(path) {}

  void read(const PickleNode& root);

 private:
  void add_tensors(const PickleNode& dict, const std::string& prefix);
  void add_buffers(const PickleNode& module, const std::string& prefix);
  void add_module(const PickleNode& module, const std::string& prefix, int depth);
  void list(const std::string& name, const PickleNode& node);
  void keep(const std::string& name, const at::Tensor& tensor);
  void walk(std::size_t steps);
  [[noreturn]] void fail(const std::string& what, const std::string& found = "") const;

  CheckpointFile& file_;
  const fs::path& path_;
  std::size_t steps_left_ = kMaxSteps;
};

void Collector::walk(std::size_t steps) {
  if (steps > steps_left_) fail("its modules repeat each other too often");
  steps_left_ -= steps;
}

void Collector::keep(const std::string& name, const at::Tensor& tensor) {
  if (file_.tensors.size() >= kMaxTensors) fail("it names too many tensors");
  file_.tensors[name] = tensor;
}

void Collector::fail(const std::string& what, const std::string& found) const {
  throw Error({.what = what, .where = path_.string(), .found = found});
}

void Collector::list(const std::string& name, const PickleNode& node) {
  if (file_.other_contents.size() >= kMaxListed) return;
  file_.other_contents.push_back(printable(name, 100) + ": " + describe(node));
}

bool is_module(const PickleNode& node) {
  return node.is(Kind::kObject) && node.find("_parameters") != nullptr &&
         node.find("_modules") != nullptr;
}

bool holds_tensors(const PickleNode& node) {
  return node.is(Kind::kDict) &&
         std::any_of(node.entries.begin(), node.entries.end(),
                     [](const auto& entry) { return entry.second->is(Kind::kTensor); });
}

std::string key_text(const PickleNode& key) {
  return key.is(Kind::kText) && key.text.size() <= kMaxNameSize ? key.text : describe(key);
}

void Collector::add_tensors(const PickleNode& dict, const std::string& prefix) {
  walk(dict.entries.size());
  for (const auto& [key, value] : dict.entries) {
    const std::string name = prefix + key_text(*key);
    if (value->is(Kind::kTensor)) {
      keep(name, value->tensor);
    } else if (!value->is(Kind::kNone)) {  // a module without a bias keeps None in its place
      list(name, *value);
    }
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
    if (value->is(Kind::kTensor) && !temporary.contains(key->text)) {
      keep(prefix + key_text(*key), value->tensor);
    }
  }
}

// The tensors that the module's state_dict() would give, under the same names.
void Collector::add_module(const PickleNode& module, const std::string& prefix, int depth) {
  if (depth > kMaxModuleDepth || prefix.size() > kMaxNameSize)
    fail("its modules are nested too deeply");
  if (const PickleNode* parameters = module.find("_parameters")) add_tensors(*parameters, prefix);
  add_buffers(module, prefix);
  const PickleNode* children = module.find("_modules");
  if (children == nullptr) return;
  walk(children->entries.size() + module.state->entries.size());
  for (const auto& [key, child] : children->entries) {
    if (is_module(*child)) add_module(*child, prefix + key_text(*key) + ".", depth + 1);
  }
}

void Collector::read(const PickleNode& root) {
  if (is_module(root)) {
    file_.layout = "module";
    add_module(root, "", 0);
    list("class", root);
    return;
  }
  if (!root.is(Kind::kDict)) {
    fail("the file holds no named weights", describe(root));
  }
  // Lightning's key, then those that training scripts use.
  for (const char* key : {"state_dict", "model_state_dict", "model", "module"}) {
    const PickleNode* weights = root.find(key);
    if (weights == nullptr || !(holds_tensors(*weights) || is_module(*weights))) continue;
    const bool lightning = std::string_view(key) == "state_dict";
    file_.layout = is_module(*weights) ? "module" : lightning ? "lightning" : "state_dict";
    is_module(*weights) ? add_module(*weights, "", 0) : add_tensors(*weights, "");
    for (const auto& [name, value] : root.entries) {
      if (value != weights) list(key_text(*name), *value);
    }
    return;
  }
  file_.layout = "state_dict";
  add_tensors(root, "");
}

bool is_safetensors(const fs::path& path) {
  const MappedFile file(path);
  if (file.size() > 2 && file.data()[0] == 'P' && file.data()[1] == 'K') return false;  // zip
  if (path.extension() == ".safetensors") return true;
  return file.size() > 8 && file.data()[8] == '{';
}

}  // namespace

CheckpointFile read_checkpoint_file(const fs::path& path) {
  if (fs::is_directory(path)) {
    throw Error({.what = "cannot read weights",
                 .where = path.string(),
                 .expected = "a file",
                 .found = "a folder",
                 .next = "name the file inside it"});
  }
  CheckpointFile result;
  if (is_safetensors(path)) {
    TensorFile file = read_safetensors(path);
    result.layout = "safetensors";
    result.tensors = std::move(file.tensors);
    result.metadata = std::move(file.metadata);
  } else {
    const PickleGraph graph = read_torch_file(path);
    Collector(result, path).read(*graph.root);
  }
  if (result.tensors.empty())
    throw Error({.what = "the file holds no weights", .where = path.string()});
  result.sha256 = sha256_file(path);
  return result;
}

std::int64_t count_not_finite(const at::Tensor& tensor) {
  if (!tensor.is_floating_point() && !tensor.is_complex()) return 0;
  // Eight-bit types have no isfinite.
  const at::Tensor values = tensor.element_size() == 1 ? tensor.to(at::kFloat) : tensor;
  return tensor.numel() - at::isfinite(values).sum().item<std::int64_t>();
}

}  // namespace roboimi
