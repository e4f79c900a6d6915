// The part of LerobotFolder that checks the images of cameras without videos.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "plugins/lerobot_dataset/image_frames.h"
#include "plugins/lerobot_dataset/lerobot_folder.h"
#include "roboimi/common/error.h"

namespace roboimi::lerobot_dataset {
namespace {

// What the first image of an episode shows about all of them.
struct CheckedImages {
  ImageSize size = {};
  std::optional<Error::Parts> error = {};
};

}  // namespace

// Refuses the episodes without images: those whose first image cannot be decoded or has another
// size than that of the first episode, and those of which a file is missing.
void LerobotFolder::check_images() {
  for (const CameraFeature& camera : features_.cameras) {
    if (camera.feature.dtype == "video") continue;
    std::vector<CheckedImages> checked(episodes_.size());
    at::parallel_for(0, num_episodes(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        CheckedImages& images = checked[static_cast<std::size_t>(i)];
        try {
          for (const Run& run : rows_of(i).runs) {
            const auto reader = data_.open(rows_.files()[run.file].path);
            images.size = checked_image_size(*reader, info_.folder(), camera.feature.name, run.row,
                                             run.count);
          }
        } catch (const Error& error) {
          images.error = error.parts();
        }
      }
    });

    const auto first =
        std::ranges::find_if(checked, [](const CheckedImages& images) { return !images.error; });
    for (std::size_t i = 0; i < checked.size(); ++i) {
      const CheckedImages& images = checked[i];
      if (images.error) {
        Error::Parts reason = *images.error;
        reason.what = fmt::format("episode {} cannot be read: {}", episodes_[i], reason.what);
        refuse(episodes_[i], reason);
      } else if (images.size != first->size) {
        refuse(
            episodes_[i],
            {.what = fmt::format("the images of episode {} and camera '{}' have a different size",
                                 episodes_[i], camera.stream),
             .where = infos_[i].file.string(),
             .expected = fmt::format("{}x{}", first->size.height, first->size.width),
             .found = fmt::format("{}x{}", images.size.height, images.size.width),
             .next = "store frames of different sizes in different datasets"});
      }
    }
  }
}

}  // namespace roboimi::lerobot_dataset
