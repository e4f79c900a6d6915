#include "roboimi/contract/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "roboimi/common/error.h"
#include "roboimi/contract/leaves_out.h"

namespace roboimi {

Dataset::~Dataset() = default;

LeavesOut::~LeavesOut() = default;

std::map<std::string, at::Tensor> Dataset::labels(std::int64_t) const { return {}; }

std::optional<FrameExtent> Dataset::frame_extent(std::int64_t, const std::string&,
                                                 std::int64_t) const {
  return std::nullopt;
}

std::vector<std::filesystem::path> Dataset::files() const {
  std::vector<std::filesystem::path> files;
  for (std::int64_t i = 0; i < num_episodes(); ++i) files.push_back(episode(i).file);
  return files;
}

std::vector<DatasetPart> Dataset::parts() const { return {}; }

at::Tensor Dataset::read_all(std::int64_t index, const std::string& stream) const {
  return read(index, stream, 0, episode(index).length);
}

at::Tensor Dataset::state(std::int64_t index) const {
  return spec().find(kState) == nullptr ? at::Tensor() : read_all(index, kState);
}

at::Tensor Dataset::env_state(std::int64_t index) const {
  return spec().find(kEnvState) == nullptr ? at::Tensor() : read_all(index, kEnvState);
}

std::vector<DatasetPart> checked_parts(const Dataset& dataset) {
  std::vector<DatasetPart> parts = dataset.parts();
  if (parts.empty()) return parts;
  // The weights.
  for (const DatasetPart& part : parts) {
    if (std::isfinite(part.weight) && part.weight >= 0.0) continue;
    throw Error({.what = "a part of the dataset has an unusable weight",
                 .where = part.name,
                 .expected = "a finite number of at least 0",
                 .found = fmt::format("{}", part.weight)});
  }
  if (std::ranges::all_of(parts, [](const DatasetPart& part) { return part.weight == 0.0; })) {
    throw Error({.what = "there is nothing to train on: all parts of the dataset have weight 0",
                 .where = "Dataset::parts",
                 .expected = "at least one weight above 0"});
  }
  // The episodes.
  std::vector<std::int64_t> uses(static_cast<std::size_t>(dataset.num_episodes()), 0);
  for (const DatasetPart& part : parts) {
    for (const std::int64_t episode : part.episodes) {
      if (episode >= 0 && episode < dataset.num_episodes()) {
        ++uses[static_cast<std::size_t>(episode)];
        continue;
      }
      throw Error(
          {.what = fmt::format("the part '{}' lists an episode that does not exist", part.name),
           .where = "Dataset::parts",
           .expected = fmt::format("indices below {}", dataset.num_episodes()),
           .found = fmt::format("{}", episode)});
    }
  }
  const auto wrong = std::ranges::find_if(uses, [](std::int64_t count) { return count != 1; });
  if (wrong == uses.end()) return parts;
  throw Error({.what = "the parts of the dataset do not contain each episode once",
               .where = "Dataset::parts",
               .expected = fmt::format("episode {} in one part", wrong - uses.begin()),
               .found = fmt::format("in {} parts", *wrong)});
}

}  // namespace roboimi
