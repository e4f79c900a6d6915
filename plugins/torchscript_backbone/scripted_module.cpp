#include "plugins/torchscript_backbone/scripted_module.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <string_view>
#include <vector>

#include "plugins/torchscript_backbone/archive.h"
#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/text.h"

namespace roboimi::torchscript_backbone {
namespace {

struct Slot {
  std::string name;
  c10::IValue value;
  bool is_parameter;
};

std::vector<Slot> slots_of(const torch::jit::Module& module) {
  const c10::ClassTypePtr type = module.type();
  std::vector<Slot> slots;
  for (std::size_t i = 0; i < type->numAttributes(); ++i) {
    slots.push_back(
        {type->getAttributeName(i), module._ivalue()->getSlot(i), type->is_parameter(i)});
  }
  return slots;
}

void register_tensors(const torch::jit::Module& source, torch::nn::Module& target) {
  for (const Slot& slot : slots_of(source)) {
    if (slot.value.isModule()) {
      auto child = target.register_module(slot.name, std::make_shared<torch::nn::Module>());
      register_tensors(slot.value.toModule(), *child);
    } else if (slot.value.isTensor() && slot.is_parameter) {
      const at::Tensor& tensor = slot.value.toTensor();
      target.register_parameter(slot.name, tensor, tensor.requires_grad());
    } else if (slot.value.isTensor()) {
      target.register_buffer(slot.name, slot.value.toTensor());
    }
  }
}

void hash_state(const torch::jit::Module& module, Sha256& hash) {
  for (const Slot& slot : slots_of(module)) {
    if (slot.value.isModule()) {
      hash_state(slot.value.toModule(), hash);
    } else if (slot.value.isTensor() && !slot.is_parameter && slot.value.toTensor().defined()) {
      hash.update_text(slot.name).update_tensor(slot.value.toTensor());
    }
  }
}

// The reason of an error on one line. The interpreter prints its traceback before the reason.
std::string reason_of(const std::exception& error) {
  constexpr std::string_view kTraced = "The following operation failed";
  std::string text = error.what();
  if (!text.starts_with(kTraced)) return printable(one_line_message(error), 300);
  constexpr std::string_view kMark = "\nRuntimeError: ";
  if (const std::size_t mark = text.rfind(kMark); mark != std::string::npos) {
    text = text.substr(mark + kMark.size());
    return printable(text.substr(0, text.find('\n')), 300);
  }
  while (text.ends_with('\n')) text.pop_back();
  return printable(text.substr(text.rfind('\n') + 1), 300);
}

torch::jit::Module load_program(const std::string& file) {
  check_archive(file);
  try {
    torch::jit::Module module = torch::jit::load(file, at::kCPU);
    module.eval();
    return module;
  } catch (const std::exception& error) {
    throw Error({.what = "the program cannot be loaded",
                 .where = file,
                 .found = reason_of(error),
                 .next = "export it with torch " TORCH_VERSION
                         " or older, without operators of other libraries (torchvision::)"});
  }
}

}  // namespace

struct ScriptedModule::Program {
  torch::jit::Module module;
};

ScriptedModule::ScriptedModule(const std::filesystem::path& file, OutputChoice output)
    : torch::nn::Module("ScriptedModule"),
      file_(file.string()),
      output_(std::move(output)),
      program_(std::make_unique<Program>(load_program(file_))) {
  register_tensors(program_->module, *this);
  for (const at::Tensor& parameter : parameters()) {
    if (!parameter.is_floating_point()) continue;
    input_type_ = parameter.scalar_type();
    break;
  }
}

ScriptedModule::~ScriptedModule() = default;

at::Tensor ScriptedModule::forward(const at::Tensor& pixels) {
  const torch::jit::GraphOptimizerEnabledGuard as_written(false);
  c10::IValue returned;
  try {
    returned = program_->module.forward({pixels.to(input_type_)});
  } catch (const std::exception& error) {
    throw Error({.what = "the module raised an error",
                 .where = file_,
                 .expected = c10::str("a forward() that takes one tensor ", pixels.sizes()),
                 .found = reason_of(error),
                 .next = "set mode, resize_height and resize_width to match the exported encoder, "
                         "or export it again"});
  }
  return feature_of(returned, output_, pixels.size(0), file_);
}

std::string ScriptedModule::state_digest() const {
  Sha256 hash;
  hash_state(program_->module, hash);
  return hash.hex();
}

}  // namespace roboimi::torchscript_backbone
