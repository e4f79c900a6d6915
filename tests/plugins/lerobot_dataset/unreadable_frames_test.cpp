// Episodes whose videos or images cannot be read: `unreadable: skip` leaves them out.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <fstream>
#include <functional>

#include "roboimi/common/files.h"
#include "roboimi/io/image.h"
#include "tests/plugins/lerobot_dataset/set_test.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const DatasetOptions kSkip{.unreadable = UnreadableEpisodes::kSkip};

class UnreadableFramesTest : public SetTest {
 protected:
  static void replace_by_pointer(const fs::path& file) {
    std::ofstream(file) << "version https://git-lfs.github.com/spec/v1\noid sha256:"
                        << std::string(64, 'a') << "\nsize 1000\n";
  }
  // Moves the frames of `episode` and of those behind it to a second video of the camera.
  static void split_video(LerobotSet& set, const std::string& camera, std::size_t episode) {
    auto& whole = set.videos.at({camera, {}});
    const auto first = static_cast<std::ptrdiff_t>(
        std::llround(set.table[episode].windows[camera].from * set.fps));
    const double start = set.table[episode].windows[camera].from;
    set.videos[{camera, {0, 1}}] = {whole.begin() + first, whole.end()};
    whole.resize(static_cast<std::size_t>(first));
    for (std::size_t i = episode; i < set.table.size(); ++i) {
      SetWindow& window = set.table[i].windows[camera];
      window = {.file = {0, 1}, .from = window.from - start, .to = window.to - start};
    }
  }
  fs::path image(std::int64_t camera, std::int64_t episode, std::int64_t frame) const {
    return folder() / fmt::format("images/{:06}.png", LerobotSet::label(camera, episode, frame));
  }
};

TEST_F(UnreadableFramesTest, AnEpisodeIsLeftOutWithItsVideo) {
  const LerobotSet set(folder(), "v2.1");
  const fs::path file = set.video_file("top", {0, 1});
  const std::vector<std::pair<std::function<void()>, std::string>> damages = {
      {[&] { fs::remove(file); },
       "the video of episode 1 and camera 'observation.images.top' is "
       "missing"},
      {[&] { replace_by_pointer(file); }, "a Git LFS pointer instead of the data"},
      {[&] { fs::resize_file(file, 0); }, "an empty file of 0 bytes"},
      {[&] { fs::resize_file(file, fs::file_size(file) - 1); }, "cut off (truncated file)"},
      {[&] { std::ofstream(file) << "hello world, this is a text"; }, "FFmpeg"},
  };
  for (const auto& [damage, reason] : damages) {
    SCOPED_TRACE(reason);
    set.write();
    damage();
    EXPECT_THAT(opening_error(), AllOf(HasSubstr(file.string()), HasSubstr(reason)));
    const LerobotDataset rest = open_set(folder(), kSkip);
    expect_complete(rest, {0, 2});
    EXPECT_THAT(rest.left_out(), ElementsAre(AllOf(HasSubstr(file.string()),
                                                   HasSubstr("episode 1 "), HasSubstr(reason))));
    EXPECT_EQ(only_warning(rest), "left out: " + rest.left_out().front());
    EXPECT_THAT(rest.files(), ::testing::Not(::testing::Contains(file)));
  }
}

TEST_F(UnreadableFramesTest, AllEpisodesOfAVideoAreLeftOutByNumber) {
  LerobotSet set(folder());
  split_video(set, "top", 1);
  set.rows[3].lacks_action = true;
  set.write();
  replace_by_pointer(set.video_file("top", {0, 1}));
  // No other episode is left.
  EXPECT_THAT(opening_error(kSkip), HasSubstr("row 3 of the column 'action'"));

  set.rows[3].lacks_action = false;
  set.write();
  replace_by_pointer(set.video_file("top", {0, 1}));
  const LerobotDataset first = open_set(folder(), kSkip);
  expect_complete(first, {0});
  EXPECT_THAT(first.left_out(),
              ElementsAre(AllOf(HasSubstr("videos/observation.images.top/chunk-000/file-001.mp4: "
                                          "episode 1 cannot be read: cannot open the video"),
                                HasSubstr("Git LFS pointer")),
                          HasSubstr("episode 2 cannot be read: cannot open the video")));
}

TEST_F(UnreadableFramesTest, EveryCameraCounts) {
  LerobotSet set(folder(), "v2.1", "video", {12, 9, 12, 5});
  set.videos.at({"top", {0, 3}}).resize(3);
  set.write();
  fs::remove(set.video_file("front", {0, 0}));
  fs::remove(set.video_file("top", {0, 0}));
  const LerobotDataset rest = open_set(folder(), kSkip);
  expect_complete(rest, {1, 2});
  EXPECT_THAT(rest.left_out(),
              ElementsAre(HasSubstr("observation.images.front' is missing"),
                          HasSubstr("row 3 of episode 3 has no frame of camera 'top'")));
  // Episodes that are left out do not count.
  DatasetOptions two = kSkip;
  two.max_episodes = 2;
  expect_complete(open_set(folder(), two), {1, 2});
  two.max_episodes = 1;
  expect_complete(open_set(folder(), two), {1});
}

TEST_F(UnreadableFramesTest, AnEpisodeWithoutAWindowIsLeftOut) {
  LerobotSet set(folder());
  set.table[1].windows["top"].lacks_start = true;
  set.write();
  EXPECT_THAT(opening_error(), HasSubstr("meta/episodes: episode 1 has no place in the videos of "
                                         "'observation.images.top' in the episode table"));
  expect_complete(open_set(folder(), {.episodes = {"0", "2"}}), {0, 2});
  expect_complete(open_set(folder(), kSkip), {0, 2});

  set.table.erase(set.table.begin() + 1);
  set.write();
  const LerobotDataset unlisted = open_set(folder(), kSkip);
  expect_complete(unlisted, {0, 2});
  EXPECT_THAT(unlisted.left_out(), ElementsAre(HasSubstr("episode 1 is not in the episode table")));
}

TEST_F(UnreadableFramesTest, AnEpisodeBehindTheEndOfItsVideoIsLeftOut) {
  LerobotSet set(folder());
  set.videos.at({"top", {}}).resize(21);
  set.write();
  EXPECT_THAT(opening_error(), HasSubstr("row 0 of episode 2 has no frame of camera 'top'"));
  // Its window claims no frame of the episode before.
  expect_complete(open_set(folder(), {.episodes = {"0", "1"}}), {0, 1});
  const LerobotDataset rest = open_set(folder(), kSkip);
  expect_complete(rest, {0, 1});
  EXPECT_THAT(rest.left_out(),
              ElementsAre(HasSubstr("row 0 of episode 2 has no frame of camera 'top'")));
}

TEST_F(UnreadableFramesTest, EpisodesWithTheSameFramesAreLeftOut) {
  LerobotSet set(folder());
  set.table[1].windows["front"] = set.table[0].windows["front"];
  set.write();
  const LerobotDataset rest = open_set(folder(), kSkip);
  expect_complete(rest, {2});
  const auto names_both = HasSubstr("episodes 0 and 1 use the same frames of camera 'front'");
  EXPECT_THAT(rest.left_out(), ElementsAre(names_both, names_both));
}

TEST_F(UnreadableFramesTest, VideosOfAnotherSizeAreLeftOut) {
  const LerobotSet set(folder(), "v2.1");
  set.write();
  fs::copy_file(ROBOIMI_SOURCE_DIR "/tests/golden/videos/h264_16x18.mp4",
                set.video_file("front", {0, 2}), fs::copy_options::overwrite_existing);
  const LerobotDataset rest = open_set(folder(), kSkip);
  expect_complete(rest, {0, 1});
  EXPECT_THAT(rest.left_out(),
              ElementsAre(HasSubstr("episode 2 cannot be read: the videos of camera 'front' have "
                                    "different sizes: expected 32x96")));
}

TEST_F(UnreadableFramesTest, AnEpisodeIsLeftOutWithItsImages) {
  LerobotSet set(folder(), "v3.0", "image");
  set.has_image_files = true;
  const auto write_wide = [](const fs::path& file) {
    write_png(file, at::zeros({4, 200, 3}, at::kByte));
  };
  const std::vector<std::tuple<fs::path, std::function<void(const fs::path&)>, std::string>>
      damages = {
          {image(1, 1, 5), [](const fs::path& file) { fs::remove(file); },
           "row 17 of camera 'observation.images.top': the file of the image is missing"},
          {image(0, 1, 5), replace_by_pointer, "a Git LFS pointer instead of the data"},
          {image(0, 1, 0), [](const fs::path& file) { std::ofstream(file) << "no image"; },
           "cannot decode the image"},
          {image(0, 1, 0), write_wide, "expected 32x96; found 4x200"},
      };
  for (const auto& [file, damage, reason] : damages) {
    SCOPED_TRACE(reason);
    set.write();
    damage(file);
    const LerobotDataset rest = open_set(folder(), kSkip);
    expect_complete(rest, {0, 2});
    EXPECT_THAT(rest.left_out(), ElementsAre(AllOf(HasSubstr("episode 1 "), HasSubstr(reason))));
    EXPECT_EQ(only_warning(rest), "left out: " + rest.left_out().front());
  }
  // The size of a camera is not that of an episode that is left out.
  set.write();
  std::ofstream(image(0, 0, 0)) << "no image";
  expect_complete(open_set(folder(), kSkip), {1, 2});
}

TEST_F(UnreadableFramesTest, AnEpisodeWithAnUnknownTaskIsLeftOut) {
  LerobotSet set(folder(), "v3.0", "image");
  set.rows[14].task = 5;
  set.write();
  expect_complete(open_set(folder(), kSkip), {0, 2});
}

}  // namespace
}  // namespace roboimi::lerobot_dataset
