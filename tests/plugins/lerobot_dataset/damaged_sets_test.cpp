// Folders that cannot be read, or only in part.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <fstream>

#include "roboimi/common/files.h"
#include "roboimi/io/parquet/writer.h"
#include "tests/plugins/lerobot_dataset/set_test.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DamagedSets : public SetTest {
 protected:
  // Replaces a value of info.json by JSON text, NaN included.
  void write_with_info(LerobotSet& set, const std::string& key, const std::string& value) {
    set.info[key] = "@@";
    set.write();
    const fs::path file = folder() / "meta/info.json";
    std::string text = read_text(file);
    text.replace(text.find("\"@@\""), 4, value);
    std::ofstream(file) << text;
  }
  static void cut(const fs::path& file, std::uintmax_t bytes) {
    fs::resize_file(file, fs::file_size(file) - bytes);
  }
  static void replace_by_pointer(const fs::path& file) {
    std::ofstream(file) << "version https://git-lfs.github.com/spec/v1\noid sha256:"
                        << std::string(64, 'a') << "\nsize 1000\n";
  }
  // A set whose episode 2 is in a second data file.
  LerobotSet in_two_files() const {
    LerobotSet set(folder());
    for (SetRow& row : set.rows) {
      if (row.episode == 2) row.file = {0, 1};
    }
    set.table[2].data = {0, 1};
    set.table[2].table = {0, 1};
    return set;
  }
};

TEST_F(DamagedSets, EndlesslyNestedJsonIsRefused) {
  LerobotSet set(folder());
  const std::size_t depth = 200'000;
  write_with_info(set, "fps", std::string(depth, '[') + std::string(depth, ']'));
  EXPECT_THAT(opening_error(), HasSubstr("'fps' is not a rate"));
}

// cases-data 6: the recorder never closed its files.
TEST_F(DamagedSets, ARecordingThatWasNotClosedIsNamedAndTheOthersTrain) {
  const LerobotSet set = in_two_files();
  set.write();
  cut(set.data_file({0, 1}), 200);
  EXPECT_THAT(opening_error(), AllOf(HasSubstr(set.data_file({0, 1}).string()), HasSubstr("footer"),
                                     HasSubstr("data.episodes=[0-1]")));
  const LerobotDataset rest = open_set(folder(), {.episodes = {"0", "1"}});
  expect_complete(rest, {0, 1});
  EXPECT_THAT(only_warning(rest), HasSubstr("the chosen episodes are in other files"));
  EXPECT_THAT(opening_error({.episodes = {"1", "2"}}), HasSubstr("footer"));
}

TEST_F(DamagedSets, ATableThatWasNotClosedIsNamedAndTheOthersTrain) {
  const LerobotSet set = in_two_files();
  set.write();
  const fs::path table = folder() / "meta/episodes/chunk-000/file-001.parquet";
  cut(table, 100);
  EXPECT_THAT(opening_error(), AllOf(HasSubstr(table.string()), HasSubstr("footer")));
  expect_complete(open_set(folder(), {.episodes = {"0-1"}}), {0, 1});
}

TEST_F(DamagedSets, VideosCannotBeFoundWithoutATable) {
  LerobotSet(folder()).write();
  fs::remove_all(folder() / "meta/episodes");
  EXPECT_THAT(opening_error(),
              AllOf(HasSubstr("meta/episodes: episode 0 is not in the episode table, so that its "
                              "videos cannot be found"),
                    HasSubstr("the recording was not closed")));
}

TEST_F(DamagedSets, ImagesAreFoundWithoutATable) {
  LerobotSet set(folder(), "v3.0", "image");
  set.has_table = false;
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(only_warning(dataset),
              HasSubstr("meta: there is no episode table; episodes are found by their rows"));
}

// cases-data 7: Git LFS pointers in place of files.
TEST_F(DamagedSets, PointersAreNotTheData) {
  const LerobotSet set(folder());
  set.write();
  for (const fs::path& file :
       {set.video_file("top", {}), set.data_file({}), folder() / "meta/tasks.parquet",
        folder() / "meta/episodes/chunk-000/file-000.parquet", folder() / "meta/info.json"}) {
    set.write();
    replace_by_pointer(file);
    EXPECT_THAT(opening_error(), AllOf(HasSubstr(file.string()), HasSubstr("Git LFS pointer"),
                                       HasSubstr("git lfs pull"), Not(HasSubstr("damaged"))));
  }
}

TEST_F(DamagedSets, ATruncatedVideoIsNamed) {
  const LerobotSet set(folder());
  set.write();
  const fs::path file = set.video_file("front", {});
  fs::resize_file(file, fs::file_size(file) / 2);
  EXPECT_THAT(error_text([&] {
                const LerobotDataset dataset = open_set(folder());
                for (std::int64_t i = 0; i < 3; ++i) dataset.read_all(i, "front");
              }),
              HasSubstr(file.string()));
}

TEST_F(DamagedSets, ImagesOf16BitsAreNoColors) {
  LerobotSet set(folder(), "v3.0", "image");
  set.has_image_files = true;
  set.write();
  const fs::path file = folder() / fmt::format("images/{:06}.png", LerobotSet::label(1, 0, 0));
  std::string bytes = read_text(file);
  bytes.at(24) = 16;
  std::ofstream(file, std::ios::binary) << bytes;
  EXPECT_THAT(
      opening_error(),
      HasSubstr("row 0 of camera 'observation.images.top': cannot decode the image: expected "
                "8 bits per channel; found a 16-bit PNG, as used for depth; leave the "
                "camera out of data.camera_names"));
}

// cases-data 13: rates that are none.
TEST_F(DamagedSets, ARateThatIsNoneIsShownAsItIsWritten) {
  LerobotSet set(folder());
  for (const char* value : {"NaN", "0", "-5", "true", "\"30\"", "null", "Infinity"}) {
    write_with_info(set, "fps", value);
    EXPECT_THAT(opening_error(),
                HasSubstr(std::string("meta/info.json: 'fps' is not a rate: expected a finite "
                                      "number above 0, such as 30 or 29.97; found ") +
                          value));
  }
}

TEST_F(DamagedSets, AVersionThatIsNotSupportedIsNamed) {
  LerobotSet set(folder());
  for (const auto& [version, next] :
       {std::pair("v1.6", "convert it to v2.1 or v3.0 with the scripts of LeRobot"),
        std::pair("v4.0", "update roboimi, or export the data again in version v3.0")}) {
    set.info["codebase_version"] = version;
    set.write();
    EXPECT_THAT(opening_error(),
                HasSubstr(fmt::format("expected v2.0, v2.1 or v3.0; found {}; {}", version, next)));
  }
}

TEST_F(DamagedSets, PathsThatLeaveTheFolderAreRefused) {
  LerobotSet set(folder());
  for (const char* path : {"/etc/{chunk_index}.parquet", "data/../../{file_index}.parquet"}) {
    set.info["data_path"] = path;
    set.write();
    EXPECT_THAT(opening_error(), HasSubstr("'data_path': the path leaves the folder"));
  }
  set.info["data_path"] = "data/{number}.parquet";
  set.write();
  EXPECT_THAT(opening_error(), HasSubstr("the path has an unknown field 'number'"));
}

TEST_F(DamagedSets, AFolderWithoutADataSetSaysWhereItMayBe) {
  EXPECT_THAT(opening_error(), HasSubstr("no such folder"));
  fs::create_directories(folder());
  EXPECT_THAT(opening_error(), HasSubstr("expected meta/info.json"));
  LerobotSet(folder() / "pusht").write();
  EXPECT_THAT(opening_error(),
              HasSubstr("one folder below: data.path=" + (folder() / "pusht").string()));
  fs::create_directories(folder() / "snapshots");
  fs::rename(folder() / "pusht", folder() / "snapshots" / "1a2b");
  EXPECT_THAT(opening_error(), HasSubstr("two folders below: data.path=" +
                                         (folder() / "snapshots" / "1a2b").string()));
}

TEST_F(DamagedSets, AFolderOfAnotherFormatSaysWhatReadsIt) {
  const auto error_with = [&](const std::string& file) {
    fs::remove_all(folder());
    fs::create_directories((folder() / file).parent_path());
    std::ofstream(folder() / file) << "";
    std::ofstream(folder() / ".DS_Store") << "";
    return opening_error();
  };
  const std::string here = folder().string();
  EXPECT_EQ(error_with("episode_0.hdf5"),
            here +
                ": the folder is not a LeRobot dataset: expected meta/info.json; found "
                "episode_0.hdf5 (ACT's layout); read it with data=hdf5 data.path=" +
                here);
  EXPECT_THAT(error_with("image.hdf5"),
              HasSubstr("found image.hdf5 (robomimic's layout, or another HDF5 file); read it with "
                        "data=robomimic data.path=" +
                        here + "/image.hdf5"));
  EXPECT_THAT(error_with(".zgroup"),
              HasSubstr("found .zgroup (a zarr store); read it with data=zarr data.path=" + here));
  EXPECT_THAT(error_with("pusht.zarr/.zgroup"),
              HasSubstr("data=zarr data.path=" + here + "/pusht.zarr"));
  EXPECT_THAT(error_with("notes.txt"), HasSubstr("found no such file in it; set data.path to"));
}

// As without permission, which the tests may have for everything.
TEST_F(DamagedSets, AFolderThatCannotBeReadIsNotAnEmptyOne) {
  for (const char* part : {"meta", "meta/episodes", "data", "videos"}) {
    LerobotSet(folder()).write();
    fs::remove_all(folder() / part);
    fs::create_symlink(fs::path(part).filename(), folder() / part);
    EXPECT_THAT(opening_error(),
                AllOf(HasSubstr((folder() / part).string()),
                      HasSubstr("cannot read: Too many levels of symbolic links; check")));
    fs::remove(folder() / part);
  }
}

TEST_F(DamagedSets, AFolderWithoutDataFilesIsRefused) {
  LerobotSet(folder()).write();
  fs::remove_all(folder() / "data");
  EXPECT_THAT(opening_error(), HasSubstr("the dataset has no data files"));
}

TEST_F(DamagedSets, ADataSetWithoutEpisodesIsRefused) {
  LerobotSet set(folder());
  set.write();
  set.table.clear();
  set.has_table = false;
  fs::remove_all(folder() / "meta/episodes");
  parquet::Writer writer(
      set.data_file({}),
      {{.name = "frame_index"}, {.name = "episode_index"}, {.name = "task_index"}});
  writer.close();
  EXPECT_THAT(opening_error(), HasSubstr("the dataset has no episodes"));
}

TEST_F(DamagedSets, ABrokenInfoFileIsNamedWithTheReason) {
  LerobotSet(folder()).write();
  std::ofstream(folder() / "meta/info.json") << "{\"fps\": 50,";
  EXPECT_THAT(opening_error(), HasSubstr("meta/info.json: the file is not JSON: "));
}

TEST_F(DamagedSets, ALineOfAJsonlTableIsNamed) {
  LerobotSet(folder(), "v2.1").write();
  std::ofstream(folder() / "meta/episodes.jsonl", std::ios::app) << "{\"episode\": 3}\n";
  EXPECT_THAT(opening_error(), HasSubstr("meta/episodes.jsonl:4: the line names no episode"));
}

TEST_F(DamagedSets, AStreamThatIsNotLoadedIsNamed) {
  LerobotSet(folder()).write();
  const LerobotDataset dataset = open_set(folder());
  EXPECT_THAT(error_text([&] { dataset.read(0, "back", 0, 1); }),
              HasSubstr("the stream 'back' is not loaded: expected one of state, front, top, "
                        "task"));
}

}  // namespace
}  // namespace roboimi::lerobot_dataset
