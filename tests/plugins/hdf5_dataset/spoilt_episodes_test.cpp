// Episodes written by h5py with one defect each.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>

#include "plugins/hdf5_dataset/hdf5_dataset.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "tests/error_text.h"
#include "tests/reference/run_reference.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kEpisodeLength = 6;  // rows of the episodes that act_episodes.py writes

std::string reading_error(const DatasetOptions& options) {
  return error_text([&] { const Hdf5Dataset dataset(options); });
}

class DamagedEpisodes : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ScratchFolder();
    run_reference("act_episodes.py", "write " + (*folder_ / "").string());
  }
  static void TearDownTestSuite() { delete folder_; }
  static fs::path folder(const std::string& name) { return *folder_ / name; }
  static DatasetOptions options(const std::string& name) {
    return {.path = folder(name), .camera_names = {"top", "front"}};
  }

 private:
  static inline ScratchFolder* folder_ = nullptr;
};

// Copies an episode of `from` to `to` and runs the Python `statement` on it, with `f` as the open
// file.
void copy_damaged(const fs::path& from, const fs::path& to, const std::string& statement) {
  fs::create_directories(to);
  fs::copy_file(from / "episode_0.hdf5", to / "episode_0.hdf5",
                fs::copy_options::overwrite_existing);
  const std::string command = ROBOIMI_SOURCE_DIR
                              "/.venv/bin/python -c \"import h5py, numpy; f = h5py.File('" +
                              (to / "episode_0.hdf5").string() + "', 'r+'); " + statement + "\"";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

TEST_F(DamagedEpisodes, NameTheFrameThatCannotBeDecoded) {
  const auto clear_frame = [](int row) {
    return "f['/observations/images/top'][" + std::to_string(row) + "] = 0";
  };
  copy_damaged(folder("padded"), folder("no_jpeg"), clear_frame(2));
  const Hdf5Dataset dataset(options("no_jpeg"));
  try {
    dataset.read(0, "top", 1, 3);
    FAIL() << "decoded";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no_jpeg/episode_0.hdf5: row 2 of camera 'top': cannot "
                                        "decode the frame: expected a JPEG or a PNG; found "));
    EXPECT_THAT(error.what(), HasSubstr("bytes that begin 00 00 00"));
  }
  copy_damaged(folder("padded"), folder("no_jpeg"), clear_frame(0));
  EXPECT_THAT(reading_error(options("no_jpeg")), HasSubstr("row 0 of camera 'top'"));
}

// The damage is found when the dataset is opened, so that the episode can be left out.
TEST_F(DamagedEpisodes, AreLeftOutIfTheirFramesCannotBeRead) {
  const auto expect_left_out = [](DatasetOptions chosen, const std::string& reason) {
    EXPECT_THAT(reading_error(chosen), HasSubstr(reason));
    chosen.unreadable = Unreadable::kSkip;
    const Hdf5Dataset rest(chosen);
    EXPECT_EQ(rest.num_episodes(), 1);
    EXPECT_THAT(rest.left_out(), ElementsAre(HasSubstr(reason)));
  };
  // The first frame is no image.
  fs::create_directories(folder("no_image"));
  copy_damaged(folder("padded"), folder("no_image"), "f['/observations/images/top'][0] = 0");
  fs::rename(folder("no_image/episode_0.hdf5"), folder("no_image/episode_1.hdf5"));
  fs::copy_file(folder("padded/episode_0.hdf5"), folder("no_image/episode_0.hdf5"));
  expect_left_out(options("no_image"), "episode_1.hdf5: row 0 of camera 'top': cannot decode");

  // The chunks cannot be found: a node of type 1 of their B-tree has lost its signature.
  fs::create_directories(folder("no_index"));
  std::string bytes = read_text(folder("plain/episode_0.hdf5"));
  const std::size_t node = bytes.rfind(std::string("TREE\1", 5));
  ASSERT_NE(node, std::string::npos);
  bytes.replace(node, 4, "....");
  fs::copy_file(folder("plain/episode_0.hdf5"), folder("no_index/episode_0.hdf5"));
  write_text_atomically(folder("no_index/episode_1.hdf5"), bytes);
  expect_left_out(options("no_index"), "cannot read the index of the chunks");
}

TEST_F(DamagedEpisodes, AreRejectedWithTheDtypeAndShapeOfTheirFrames) {
  const std::string images = "/observations/images/top";
  const auto replaced = [&](const std::string& array) {
    return "del f['" + images + "']; f['" + images + "'] = numpy.zeros(" + array + ")";
  };
  copy_damaged(folder("plain"), folder("odd"),
               replaced("(" + std::to_string(kEpisodeLength) + ", 4, 4, 3)"));
  EXPECT_THAT(reading_error(options("odd")),
              HasSubstr(fmt::format("found float64 [{}, 4, 4, 3]", kEpisodeLength)));
  copy_damaged(folder("plain"), folder("odd"),
               replaced("(" + std::to_string(kEpisodeLength) + ", 0, 4, 3), 'u1'"));
  EXPECT_THAT(reading_error(options("odd")),
              HasSubstr(fmt::format("found uint8 [{}, 0, 4, 3]", kEpisodeLength)));
}

}  // namespace
}  // namespace roboimi::hdf5_dataset
