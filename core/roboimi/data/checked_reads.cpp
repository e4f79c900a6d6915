#include "roboimi/data/checked_reads.h"

#include <c10/util/Type.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <typeinfo>
#include <vector>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

[[noreturn]] void fail_read(const Dataset& dataset, std::int64_t episode, const std::string& call,
                            const std::string& expected, const at::Tensor& found) {
  const std::string type = c10::demangle(typeid(dataset).name());
  throw Error(
      {.what = fmt::format("{} of the dataset {} does not match the dataset's spec", call, type),
       .where = dataset.episode(episode).file.string(),
       .expected = expected,
       .found = describe_tensor(found),
       .next = "fix the plugin, or report the problem to its author"});
}

const at::Tensor& checked_read(const Dataset& dataset, std::int64_t episode,
                               const std::string& call, const at::Tensor& tensor,
                               at::ScalarType dtype, at::IntArrayRef shape) {
  if (tensor.defined() && tensor.scalar_type() == dtype && tensor.sizes() == shape &&
      tensor.device().is_cpu()) {
    return tensor;
  }
  fail_read(dataset, episode, call,
            fmt::format("{} [{}]", c10::toString(dtype), fmt::join(shape, ", ")), tensor);
}

}  // namespace

std::string describe_tensor(const at::Tensor& tensor) {
  if (!tensor.defined()) return "nothing";
  return fmt::format("{} [{}]{}", c10::toString(tensor.scalar_type()),
                     fmt::join(tensor.sizes(), ", "),
                     tensor.device().is_cpu() ? "" : " on " + tensor.device().str());
}

at::Tensor read_actions(const Dataset& dataset, std::int64_t episode) {
  return checked_read(dataset, episode, "actions()", dataset.actions(episode), at::kFloat,
                      {dataset.episode(episode).length, dataset.spec().action_dim});
}

at::Tensor read_stream(const Dataset& dataset, std::int64_t episode, const std::string& stream,
                       std::int64_t first, std::int64_t count) {
  const StreamSpec* spec = dataset.spec().find(stream);
  if (spec == nullptr) {
    throw Error({.what = "the dataset has no camera or stream '" + stream + "'",
                 .where = dataset.episode(episode).file.string(),
                 .expected = fmt::format("{}", fmt::join(dataset.spec().names(), ", ")),
                 .next = "if it is a camera, add it to data.camera_names"});
  }
  std::vector<std::int64_t> shape = {count};
  shape.insert(shape.end(), spec->shape.begin(), spec->shape.end());
  return checked_read(dataset, episode, fmt::format("read('{}')", stream),
                      dataset.read(episode, stream, first, count), spec->dtype, shape);
}

at::Tensor read_stream(const Dataset& dataset, std::int64_t episode, const std::string& stream) {
  return read_stream(dataset, episode, stream, 0, dataset.episode(episode).length);
}

at::Tensor read_state(const Dataset& dataset, std::int64_t episode) {
  return dataset.spec().find(kState) == nullptr ? at::Tensor()
                                                : read_stream(dataset, episode, kState);
}

at::Tensor read_env_state(const Dataset& dataset, std::int64_t episode) {
  return dataset.spec().find(kEnvState) == nullptr ? at::Tensor()
                                                   : read_stream(dataset, episode, kEnvState);
}

std::map<std::string, at::Tensor> read_labels(const Dataset& dataset, std::int64_t episode) {
  std::map<std::string, at::Tensor> labels = dataset.labels(episode);
  const std::int64_t length = dataset.episode(episode).length;
  for (const auto& [name, values] : labels) {
    const bool is_table = values.defined() && values.dim() == 2 && values.size(0) == length &&
                          values.size(1) > 0 && values.device().is_cpu() && !values.is_complex();
    if (is_table) continue;
    fail_read(dataset, episode, fmt::format("label '{}'", name),
              fmt::format("Float [{}, k], k > 0", length), values);
  }
  return labels;
}

}  // namespace roboimi
