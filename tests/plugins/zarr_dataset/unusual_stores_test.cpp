// Stores that other programs pack or copy in unusual ways: read as the others, or rejected with the
// cause.
#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/plugins/zarr_dataset/store_copy.h"

namespace roboimi::zarr_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// umi.zarr.zip, changed by a Python statement with the archive `source` and the path `target`.
DatasetOptions packed(const fs::path& target, const std::string& statement) {
  const std::string script = "import shutil, struct, sys, zipfile; source = zipfile.ZipFile('" +
                             golden("umi.zarr.zip").string() + "'); target = '" + target.string() +
                             "'; " + statement;
  const std::string command =
      ROBOIMI_SOURCE_DIR "/.venv/bin/python -W ignore -c \"" + script + "\"";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  return {.path = target, .camera_names = {"camera1_rgb"}};
}

TEST(UnusualZarrStores, MayRepeatEntriesInAnArchive) {
  // zarr's ZipStore appends an entry that replaces one with the same name.
  const ScratchFolder place;
  const DatasetOptions options = packed(
      place / "repeated.zarr.zip",
      "shutil.copy(source.filename, target); archive = zipfile.ZipFile(target, 'a'); "
      "archive.writestr('meta/episode_ends/0', struct.pack('<3q', 3, 7, 8)); archive.close()");
  const ZarrDataset dataset(options);
  EXPECT_EQ(dataset.episode(2).length, 1);
  EXPECT_TRUE(at::equal(dataset.read_all(1, "camera1_rgb"), zarr_images(1)));
}

TEST(UnusualZarrStores, MayBeZippedWithSeveralFolders) {
  const ScratchFolder place;
  const DatasetOptions options =
      packed(place / "deep.zarr.zip",
             "archive = zipfile.ZipFile(target, 'w'); [archive.writestr('data/umi.zarr/' + name, "
             "source.read(name)) for name in source.namelist()]; archive.close()");
  EXPECT_TRUE(at::equal(ZarrDataset(options).read_all(1, "camera1_rgb"), zarr_images(1)));
}

TEST(UnusualZarrStores, WithAnotherCompressionOfTheArchiveNameIt) {
  const ScratchFolder place;
  const DatasetOptions options =
      packed(place / "bzip2.zarr.zip",
             "archive = zipfile.ZipFile(target, 'w', zipfile.ZIP_BZIP2); [archive.writestr(name, "
             "source.read(name)) for name in source.namelist()]; archive.close()");
  EXPECT_THAT(opening_error(options), AllOf(HasSubstr("found bzip2 of entry"), HasSubstr("zip -0"),
                                            Not(HasSubstr("damag"))));
}

TEST(UnusualZarrStores, AreNotReadWithoutACameraInAnotherLayout) {
  const std::pair<const char*, const char*> layouts[] = {{"9, 3, 6, 8", "moveaxis"},
                                                         {"9, 6, 6, 4", "images[..., :3]"}};
  for (const auto& [shape, remedy] : layouts) {
    const Copy copy;
    copy.write("data/img/.zarray",
               R"({"zarr_format": 2, "order": "C", "dtype": "|u1", "compressor": null,
                   "filters": null, "fill_value": 0, "shape": [)" +
                   std::string(shape) + R"(], "chunks": [)" + shape + "]}");
    EXPECT_THAT(opening_error(copy.options()),
                AllOf(HasSubstr("'data/img' seems to hold images in another layout"),
                      HasSubstr(remedy), HasSubstr("data.camera_names")));
  }
}

TEST(UnusualZarrStores, WithoutHiddenFilesSaySo) {
  // An array without its description is not passed over.
  const Copy camera;
  camera.remove("data/img/.zarray");
  EXPECT_THAT(opening_error(camera.options()),
              AllOf(HasSubstr("array 'data/img' has no description"), HasSubstr("hidden files")));
  DatasetOptions options = camera.options();
  options.camera_names = {"img"};
  EXPECT_THAT(opening_error(options), HasSubstr("hidden files"));
  // The table of episodes.
  const Copy ends;
  ends.remove("meta/episode_ends/.zarray");
  EXPECT_THAT(opening_error(ends.options()),
              AllOf(HasSubstr("meta/episode_ends without its description"),
                    HasSubstr("copy the dataset again with its hidden files")));
}

TEST(UnusualZarrStores, NeedTheTableOfEpisodes) {
  const Copy copy;
  fs::remove_all(copy / "meta/episode_ends");
  copy.write("meta/notes", "");
  EXPECT_THAT(opening_error(copy.options()),
              AllOf(HasSubstr("found no meta/episode_ends; in meta/: "), HasSubstr("notes")));
  // Its rows are never filled in.
  const Copy lost;
  lost.remove("meta/episode_ends/0");
  EXPECT_THAT(opening_error(lost.options()),
              AllOf(HasSubstr("chunk 0 of array 'meta/episode_ends' is missing"),
                    Not(HasSubstr("missing_chunks"))));
}

}  // namespace
}  // namespace roboimi::zarr_dataset
