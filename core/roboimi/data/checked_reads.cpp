#include "roboimi/data/checked_reads.h"

#include <c10/util/Type.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <typeinfo>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

const at::Tensor& checked_read(const Dataset& dataset, std::int64_t episode,
                               const std::string& call, const at::Tensor& tensor,
                               at::ScalarType dtype, at::IntArrayRef shape) {
  if (tensor.defined() && tensor.scalar_type() == dtype && tensor.sizes() == shape &&
      tensor.device().is_cpu()) {
    return tensor;
  }
  const std::string type = c10::demangle(typeid(dataset).name());
  throw Error({.what = fmt::format("{} of the dataset {} returned what its spec does not announce",
                                   call, type),
               .where = dataset.episode(episode).file.string(),
               .expected = fmt::format("{} [{}]", c10::toString(dtype), fmt::join(shape, ", ")),
               .found = tensor_in_words(tensor),
               .next = "mend the plugin, or report it to its author"});
}

}  // namespace

std::string tensor_in_words(const at::Tensor& tensor) {
  if (!tensor.defined()) return "nothing";
  return fmt::format("{} [{}]{}", c10::toString(tensor.scalar_type()),
                     fmt::join(tensor.sizes(), ", "),
                     tensor.device().is_cpu() ? "" : " on " + tensor.device().str());
}

at::Tensor read_state(const Dataset& dataset, std::int64_t episode) {
  return checked_read(dataset, episode, "state()", dataset.state(episode), at::kFloat,
                      {dataset.episode(episode).length, dataset.spec().state_dim});
}

at::Tensor read_actions(const Dataset& dataset, std::int64_t episode) {
  return checked_read(dataset, episode, "actions()", dataset.actions(episode), at::kFloat,
                      {dataset.episode(episode).length, dataset.spec().action_dim});
}

at::Tensor read_env_state(const Dataset& dataset, std::int64_t episode) {
  const at::Tensor env_state = dataset.env_state(episode);
  if (!env_state.defined()) return env_state;
  return checked_read(dataset, episode, "env_state()", env_state, at::kFloat,
                      {dataset.episode(episode).length, dataset.spec().env_state_dim});
}

at::Tensor read_frames(const Dataset& dataset, std::int64_t episode, const std::string& camera,
                       std::int64_t first, std::int64_t count) {
  const auto size = dataset.spec().images.find(camera);
  if (size == dataset.spec().images.end()) {
    throw Error({.what = "the dataset has no camera '" + camera + "'",
                 .where = dataset.episode(episode).file.string(),
                 .expected = fmt::format("{}", fmt::join(dataset.spec().camera_names, ", ")),
                 .next = "name it in data.camera_names"});
  }
  return checked_read(dataset, episode, "frames()", dataset.frames(episode, camera, first, count),
                      at::kByte, {count, size->second.height, size->second.width, 3});
}

}  // namespace roboimi
