#include "roboimi/contract/backbone.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "roboimi/common/error.h"

namespace roboimi {

Backbone::~Backbone() = default;

std::int64_t Backbone::feature_dim() const {
  return joint_output_dim().value_or(output_dim() * num_cameras());
}

std::vector<at::Tensor> Backbone::ordered_images(const Observation& observations) const {
  std::vector<at::Tensor> ordered;
  for (const std::string& camera : camera_names()) {
    const auto found = observations.find(camera);
    if (found == observations.end()) {
      std::vector<std::string> given;
      for (const auto& [name, _] : observations.images()) given.push_back(name);
      throw Error({.what = fmt::format("camera '{}' is missing", camera),
                   .where = name(),
                   .expected = fmt::format("{}", fmt::join(camera_names(), ", ")),
                   .found = given.empty() ? "no images" : fmt::format("{}", fmt::join(given, ", ")),
                   .next = "add the backbone's cameras to data.camera_names"});
    }
    const at::Tensor& image = found->second;
    if (image.scalar_type() != at::kByte || image.dim() != 5 || image.size(4) != 3) {
      throw Error(
          {.what = fmt::format("images of camera '{}' have the wrong dtype or shape", camera),
           .where = name(),
           .expected = "uint8 [B, T, H, W, 3]",
           .found = c10::str(image.scalar_type(), " ", image.sizes())});
    }
    if (!ordered.empty() &&
        (image.size(0) != ordered[0].size(0) || image.size(1) != ordered[0].size(1))) {
      throw Error({.what = fmt::format("images of camera '{}' differ from the first camera's in "
                                       "batch size or number of steps",
                                       camera),
                   .where = name(),
                   .expected = c10::str("[B, T] = ", ordered[0].sizes().slice(0, 2)),
                   .found = c10::str(image.sizes().slice(0, 2))});
    }
    ordered.push_back(image);
  }
  return ordered;
}

void check_camera_names(const std::vector<std::string>& camera_names, const ObservationSpec& spec,
                        const std::string& where) {
  if (camera_names.empty() && spec.camera_names().empty()) {
    throw Error({.what = "the data has no cameras, which this backbone needs",
                 .where = where,
                 .expected = "at least one RGB stream",
                 .found = spec.streams.empty() ? "no streams"
                                               : fmt::format("{}", fmt::join(spec.names(), ", ")),
                 .next = "roboimi data info shows what the data contains"});
  }
  const std::set<std::string> unique(camera_names.begin(), camera_names.end());
  if (camera_names.empty() || unique.size() != camera_names.size()) {
    throw Error({.what = "camera_names must list at least one camera, without duplicates",
                 .where = where,
                 .found = fmt::format("[{}]", fmt::join(camera_names, ", "))});
  }
  for (const std::string& camera : camera_names) {
    const StreamSpec* stream = spec.find(camera);
    if (stream != nullptr && stream->is_image()) continue;
    throw Error({.what = fmt::format("camera '{}' is missing", camera),
                 .where = where,
                 .expected = fmt::format("{}", fmt::join(camera_names, ", ")),
                 .found = fmt::format("{}", fmt::join(spec.camera_names(), ", ")),
                 .next = "add the cameras to data.camera_names, or set the backbone's "
                         "camera_names to cameras of the data"});
  }
}

}  // namespace roboimi
