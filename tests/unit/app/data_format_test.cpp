// Tests of the detection of a dataset's format.
#include "app/data_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "tests/error_text.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class DataFormats : public ::testing::Test {
 protected:
  // Creates an empty file and its folders; returns the path of the first component.
  fs::path file(const std::string& name) const {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "";
    return folder_ / name.substr(0, name.find('/'));
  }
  static std::string component_of(const fs::path& path) { return detect_data(path).component; }

  ScratchFolder folder_;
};

TEST_F(DataFormats, AreRecognizedByTheirFiles) {
  EXPECT_EQ(component_of(file("lerobot/meta/info.json")), "lerobot_dataset");
  EXPECT_EQ(component_of(file("pusht.zarr/.zgroup")), "zarr_dataset");
  EXPECT_EQ(component_of(file("umi.zarr.zip")), "zarr_dataset");
  EXPECT_EQ(component_of(file("act/episode_12.hdf5")), "hdf5_dataset");
  EXPECT_EQ(component_of(file("episode_3.hdf5")), "hdf5_dataset");
  EXPECT_EQ(component_of(file("short_names/episode_3.h5")), "hdf5_dataset");
  EXPECT_EQ(component_of(file("episode_3.HDF5")), "hdf5_dataset");
  EXPECT_EQ(component_of(file("lift.hdf5")), "robomimic_dataset");
  EXPECT_EQ(component_of(file("lift.h5")), "robomimic_dataset");
}

TEST_F(DataFormats, AFolderStandsForItsOnlyDataSet) {
  const fs::path folder = file("lift/low_dim.hdf5");
  file("lift/README.md");
  const DetectedData found = detect_data(folder);
  EXPECT_EQ(found.component, "robomimic_dataset");
  EXPECT_EQ(found.path, folder / "low_dim.hdf5");

  file("lift/image.hdf5");
  EXPECT_THAT(error_text([&] { detect_data(folder); }),
              AllOf(HasSubstr("the folder holds several datasets"),
                    HasSubstr("found image.hdf5, low_dim.hdf5; name one of them; if each holds one "
                              "episode in ACT's layout, rename them to episode_0.hdf5")));
  file("lift/pusht.zarr/.zgroup");
  EXPECT_THAT(error_text([&] { detect_data(folder); }), ::testing::EndsWith("name one of them"));
}

TEST_F(DataFormats, TheHubsCacheStandsForItsSnapshot) {
  const fs::path folder = file("datasets--me--pusht/snapshots/1a2b/meta/info.json");
  file("datasets--me--pusht/refs/main");
  EXPECT_EQ(detect_data(folder).path, folder / "snapshots" / "1a2b");
}

TEST_F(DataFormats, AFolderWithoutPermissionIsNotAnEmptyOne) {
  const fs::path folder = folder_ / "closed";
  fs::create_directories(folder);
  fs::permissions(folder, fs::perms::none);
  const std::string text = error_text([&] { detect_data(folder); });
  fs::permissions(folder, fs::perms::owner_all);
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  EXPECT_THAT(text, HasSubstr("closed: cannot read the folder: Permission denied"));
}

TEST_F(DataFormats, AnUnknownFormatNamesTheKnownOnes) {
  const fs::path folder = file("notes/text.txt");
  EXPECT_THAT(error_text([&] { detect_data(folder); }),
              AllOf(HasSubstr("the format of the data is not recognized"),
                    HasSubstr("meta/info.json (LeRobot)"), HasSubstr("found text.txt"),
                    HasSubstr("--type")));
  EXPECT_THAT(error_text([&] { detect_data(folder_ / "nowhere"); }),
              HasSubstr("there is no dataset"));
}

TEST_F(DataFormats, AHiddenEpisodeIsNoDataSet) {
  const fs::path folder = file("copied/._episode_0.hdf5");
  EXPECT_THAT(error_text([&] { detect_data(folder); }), HasSubstr("found an empty folder"));
}

}  // namespace
}  // namespace roboimi::app
