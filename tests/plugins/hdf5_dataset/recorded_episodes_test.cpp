// Episodes as various recorders write them (tests/reference/recorded_episodes.py). Each is read, or
// rejected with an error that names the problem and the fix.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <unistd.h>

#include "plugins/hdf5_dataset/hdf5_dataset.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/log_route.h"
#include "tests/error_text.h"
#include "tests/reference/run_reference.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kRows = 6, kRecordedHeight = 8, kRecordedWidth = 10;

at::Tensor recorded_frames() {
  const auto axis = [](std::int64_t n, std::int64_t factor, at::IntArrayRef shape) {
    return (factor * at::arange(n, at::kLong)).view(shape);
  };
  return (axis(kRows, 10, {-1, 1, 1, 1}) + axis(kRecordedHeight, 8, {-1, 1, 1}) +
          axis(kRecordedWidth, 6, {-1, 1}) + axis(3, 20, {-1}))
      .remainder(256)
      .to(at::kByte);
}

// Captures log lines during its lifetime.
class LoggedLines {
 public:
  LoggedLines() {
    set_log_handler([this](LogLevel, std::string_view line) { (text_ += line) += '\n'; });
  }
  ~LoggedLines() { set_log_handler({}); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

class RecordedEpisodes : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ScratchFolder();
    run_reference("recorded_episodes.py", (*folder_ / "").string());
  }
  static void TearDownTestSuite() { delete folder_; }
  static fs::path folder(const std::string& name) { return *folder_ / name; }
  static DatasetOptions options(const std::string& name) {
    return {.path = folder(name), .camera_names = {"top"}};
  }
  static std::string error_of(const std::string& name) {
    return error_or_accepted([&] { const Hdf5Dataset dataset(options(name)); });
  }
  // The error for a folder whose only episode file consists of these bytes.
  static std::string error_of_bytes(const std::string& bytes) {
    write_text_atomically(folder("bytes/episode_0.hdf5"), bytes);
    const std::string error = error_of("bytes");
    EXPECT_THAT(error, HasSubstr("bytes/episode_0.hdf5"));
    EXPECT_THAT(error, Not(HasSubstr("damaged")));
    return error;
  }
  static at::Tensor jpeg_frames() {
    static const std::string raw = read_text(folder("jpeg.raw"));
    return at::from_blob(const_cast<char*>(raw.data()), {kRows, kRecordedHeight, kRecordedWidth, 3},
                         at::kByte);
  }

 private:
  static inline ScratchFolder* folder_ = nullptr;
};

TEST_F(RecordedEpisodes, CanBeCompressedWithLzf) {
  for (const std::string name : {"lzf", "lzf_shuffled"}) {
    const Hdf5Dataset dataset(options(name));
    EXPECT_TRUE(at::equal(dataset.read(0, "top", 0, kRows), recorded_frames())) << name;
    EXPECT_FALSE(dataset.frame_extent(0, "top", 0).has_value()) << name;
  }
}

TEST_F(RecordedEpisodes, CanStoreEncodedFramesInAnyByteType) {
  for (const std::string name :
       {"strings", "column_of_strings", "opaque", "signed", "lists", "signed_lists"}) {
    const Hdf5Dataset dataset(options(name));
    EXPECT_TRUE(at::equal(dataset.read(0, "top", 0, kRows), jpeg_frames())) << name;
    EXPECT_TRUE(at::equal(dataset.read(0, "top", 4, 1), jpeg_frames().slice(0, 4, 5))) << name;
    EXPECT_FALSE(dataset.frame_extent(0, "top", 0).has_value()) << name;
  }
  for (const std::string name : {"png", "png_lists", "png_transparent", "png_column"}) {
    const Hdf5Dataset dataset(options(name));
    EXPECT_TRUE(at::equal(dataset.read(0, "top", 0, kRows), recorded_frames())) << name;
  }
}

TEST_F(RecordedEpisodes, WithUnsupportedImageFormatsAreRejectedByFormat) {
  EXPECT_THAT(error_of("bmp"), AllOf(HasSubstr("row 0 of camera 'top': cannot decode the frame"),
                                     HasSubstr("expected a JPEG or a PNG; found BMP; store each")));
  EXPECT_THAT(error_of("png_depth"), HasSubstr("found a 16-bit PNG"));
}

TEST_F(RecordedEpisodes, WithUnsupportedLayoutsAreDescribedWithAFix) {
  const std::pair<const char*, std::pair<const char*, const char*>> cases[] = {
      {"chw", {"uint8 [6, 3, 8, 10]", "numpy.moveaxis(frames, 1, -1)"}},
      {"gray", {"uint8 [6, 8, 10]", "numpy.repeat(frames[..., None], 3, axis=-1)"}},
      {"gray_channel", {"uint8 [6, 8, 10, 1]", "numpy.repeat(frames, 3, axis=-1)"}},
      {"rgba", {"uint8 [6, 8, 10, 4]", "frames[..., :3]"}},
      {"floats", {"float32 [6, 8, 10, 3]", "scale them to 0..255"}},
      {"depth", {"uint16 [6, 8, 10]", "leave depth out of camera_names"}},
      {"int8", {"int8 [6, 8, 10, 3]", "frames.view('uint8')"}},
      {"one_a_frame", {"a group of 6 entries (000000, 000001, 000002, ...)", "numpy.stack"}},
      {"text", {"strings of variable length [6]", "h5py.vlen_dtype('uint8')"}},
  };
  for (const auto& [name, texts] : cases) {
    EXPECT_THAT(
        error_of(name),
        AllOf(HasSubstr("episode_0.hdf5: frames of camera 'top' have an unsupported layout"),
              HasSubstr(std::string("found ") + texts.first), HasSubstr(texts.second)))
        << name;
  }
  EXPECT_THAT(error_of("float_chw"), AllOf(HasSubstr("moveaxis"), HasSubstr("scale them")));
}

TEST_F(RecordedEpisodes, WithAMissingFilterAreRejectedWithAFix) {
  EXPECT_THAT(error_of("blosc"),
              AllOf(HasSubstr("episode_0.hdf5: /observations/images/top: the dataset is compressed "
                              "by blosc (filter 32001)"),
                    HasSubstr("the file is not damaged"), HasSubstr("h5repack"),
                    HasSubstr("HDF5_PLUGIN_PATH"), Not(HasSubstr("may be damaged"))));
  const Hdf5Dataset dataset(options("blosc_left_out"));
  EXPECT_TRUE(at::equal(dataset.read(0, "top", 0, kRows), recorded_frames()));
}

TEST_F(RecordedEpisodes, AreRejectedIfMissingFramesWouldReadAsZeros) {
  EXPECT_THAT(error_of("half_written"),
              AllOf(HasSubstr("never written"), HasSubstr("4 of 6 chunks"),
                    HasSubstr("its recorder ended early")));
  EXPECT_THAT(error_of("never_written"), HasSubstr("found nothing written"));
  EXPECT_THAT(error_of("virtual_lost"),
              AllOf(HasSubstr("a file that is missing"), HasSubstr("virtual_lost/frames.h5")));
}

TEST_F(RecordedEpisodes, MustHaveTheSameNumberOfRowsEverywhere) {
  EXPECT_THAT(error_of("short"),
              AllOf(HasSubstr("camera 'top' and the states have different numbers of rows"),
                    HasSubstr("expected 6 rows; found 5")));
  EXPECT_THAT(error_of("action_short"),
              AllOf(HasSubstr("'/action' and '/observations/qpos' have different numbers of rows"),
                    HasSubstr("expected 6 rows; found 5"), HasSubstr("record the missing row"),
                    Not(HasSubstr("robots"))));
  EXPECT_THAT(error_of("env_more"), AllOf(HasSubstr("episode_1.hdf5: '/env_state'"),
                                          HasSubstr("expected 6 rows; found 7")));
  EXPECT_THAT(error_of("env_less"), HasSubstr("expected 6 rows; found 5"));
  EXPECT_THAT(error_of("labels_less"), HasSubstr("'/observations/labels/box'"));
}

TEST_F(RecordedEpisodes, MustHaveFramesOfOneSize) {
  for (const std::string kind : {"JPEG", "PNG"}) {
    EXPECT_THAT(error_of("two_sizes_" + kind),
                AllOf(HasSubstr("episode_1.hdf5: frames of camera 'top' do not match the other "
                                "episodes"),
                      HasSubstr("expected 8x10; found 4x10")));
  }
}

TEST_F(RecordedEpisodes, MustHaveNumericTables) {
  EXPECT_THAT(error_of("qpos_3d"), AllOf(HasSubstr("'/observations/qpos' is not a numeric table"),
                                         HasSubstr("found float64 [6, 1, 3]")));
  EXPECT_THAT(error_of("qpos_text"), HasSubstr("found strings of 1 bytes [6, 3]"));
}

TEST_F(RecordedEpisodes, MayHaveBooleansAndOneColumn) {
  const at::Tensor t = at::arange(kRows, at::kFloat).view({-1, 1});
  const at::Tensor even = t.remainder(2).eq(0).to(at::kFloat);
  EXPECT_TRUE(at::equal(Hdf5Dataset(options("bool_action")).actions(0), even.expand({kRows, 3})));
  const Hdf5Dataset column(options("one_column"));
  EXPECT_EQ(column.spec().action_dim, 1);
  EXPECT_TRUE(at::equal(column.actions(0), 100 + t));
  EXPECT_TRUE(at::equal(column.state(0), t));
}

TEST_F(RecordedEpisodes, MayHaveHdf5sOtherExtensions) {
  for (const std::string name : {"names_h5", "names_HDF5"}) {
    const Hdf5Dataset dataset(options(name));
    ASSERT_EQ(dataset.num_episodes(), 2) << name;
    EXPECT_EQ(dataset.state(0)[0][0].item<float>(), 20.0F) << name;
    EXPECT_EQ(dataset.state(1)[0][0].item<float>(), 100.0F) << name;
  }
  EXPECT_THAT(error_of("same_number"), AllOf(HasSubstr("two files have the same episode number"),
                                             HasSubstr("found episode_01.hdf5, episode_1.hdf5")));
}

TEST_F(RecordedEpisodes, LogUnusedDatasetsOnce) {
  LoggedLines lines;
  const Hdf5Dataset dataset(options("beside"));
  EXPECT_EQ(dataset.num_episodes(), 2);
  const std::string text = lines.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_THAT(text, AllOf(HasSubstr("/base_action float64 [6, 2]"),
                          HasSubstr("/observations/effort float64 [6, 3]"),
                          HasSubstr("/observations/images/wrist uint8 [6, 8, 10, 3]"),
                          Not(HasSubstr("qvel")), Not(HasSubstr("qpos"))));
}

TEST_F(RecordedEpisodes, DropAnEnvStateThatSomeDoNotHave) {
  LoggedLines lines;
  const Hdf5Dataset dataset(options("env_in_some"));
  EXPECT_EQ(dataset.spec().env_state_dim(), 0);
  EXPECT_FALSE(dataset.env_state(1).defined());
  EXPECT_THAT(lines.text(), HasSubstr("env_state is not used: 1 of 2 episodes do not have it"));
}

// Whether the actions are treated as a real robot's, each one row later than recorded.
bool is_shifted(const Dataset& dataset, std::int64_t episode) {
  const at::Tensor actions = dataset.actions(episode);
  return at::equal(actions[0], actions[1]);
}

TEST_F(RecordedEpisodes, HaveTheirAttributesParsedOrIgnored) {
  LoggedLines lines;
  const Hdf5Dataset dataset(options("attributes"));
  ASSERT_EQ(dataset.num_episodes(), 4);
  for (const std::int64_t episode : {0, 1}) {
    EXPECT_TRUE(is_shifted(dataset, episode)) << episode;
    EXPECT_EQ(dataset.episode(episode).seed, 12U) << episode;
  }
  EXPECT_EQ(dataset.episode(0).success, true);
  EXPECT_EQ(dataset.episode(1).success, false);
  for (const std::int64_t episode : {2, 3}) {
    EXPECT_FALSE(is_shifted(dataset, episode)) << episode;
    EXPECT_FALSE(dataset.episode(episode).seed.has_value()) << episode;
    EXPECT_FALSE(dataset.episode(episode).success.has_value()) << episode;
  }
  EXPECT_EQ(dataset.spec().control_hz, 50.0);
  EXPECT_THAT(lines.text(),
              AllOf(HasSubstr("ignoring the attribute 'sim' with the value 3 values of type int64 "
                              "in episode_3.hdf5"),
                    HasSubstr("attribute 'seed' with the value -1 in episode_2.hdf5"),
                    HasSubstr("attribute 'success' with the value 'who knows' in episode_2.hdf5")));
}

TEST_F(RecordedEpisodes, SayThatTheActionsOfARealRobotAreShifted) {
  const std::string line =
      "2 of 4 episodes are of a real robot (sim is false): row t is paired with "
      "the action of row t - 1; ";
  {
    LoggedLines lines;
    const Hdf5Dataset shifted(options("attributes"));
    EXPECT_THAT(lines.text(), HasSubstr(line));
    EXPECT_THAT(lines.text(), HasSubstr("set data.shift_real_actions=false"));
  }
  LoggedLines lines;
  DatasetOptions as_recorded = options("attributes");
  as_recorded.shift_real_actions = false;
  const Hdf5Dataset dataset(as_recorded);
  EXPECT_THAT(lines.text(), Not(HasSubstr(line)));
}

TEST_F(RecordedEpisodes, MayHaveSlightlyDifferentMeasuredRates) {
  LoggedLines lines;
  EXPECT_DOUBLE_EQ(Hdf5Dataset(options("rates")).spec().control_hz, 50.1);
  EXPECT_EQ(lines.text(),
            "hdf5_dataset: control rates from 49.8 to 50.3 Hz are treated as 50.1 Hz\n");
  EXPECT_THAT(error_of("two_rates"), AllOf(HasSubstr("different control rates"),
                                           HasSubstr("within 2 % of their median, 50 Hz"),
                                           HasSubstr("found episode_2.hdf5 30 Hz;")));
}

TEST_F(RecordedEpisodes, TakeAConfiguredRate) {
  DatasetOptions configured = options("lzf");
  EXPECT_EQ(Hdf5Dataset(configured).spec().control_hz, 0.0);
  configured.control_hz = 30.0;
  EXPECT_EQ(Hdf5Dataset(configured).spec().control_hz, 30.0);
  LoggedLines lines;
  configured.path = folder("two_rates");
  EXPECT_EQ(Hdf5Dataset(configured).spec().control_hz, 30.0);
  EXPECT_THAT(lines.text(),
              HasSubstr("using data.control_hz, 30 Hz, instead of the recorded 50 Hz"));
}

TEST_F(RecordedEpisodes, MayLinkToOtherFiles) {
  const Hdf5Dataset dataset(options("linked"));
  EXPECT_FALSE(dataset.frame_extent(0, "top", 0).has_value()) << "the frames are in another file";
  EXPECT_TRUE(at::equal(dataset.read(0, "top", 0, kRows), recorded_frames()));
  EXPECT_THAT(dataset.files(),
              ElementsAre(folder("linked/episode_0.hdf5"), folder("linked/frames.h5")));
  EXPECT_THAT(error_of("link_lost"), AllOf(HasSubstr("'/observations/images/top' is a broken link"),
                                           Not(HasSubstr("damaged"))));
}

TEST_F(RecordedEpisodes, ThatWereNotClosedOrAreTruncatedAreRejected) {
  EXPECT_THAT(error_of("crashed"),
              AllOf(HasSubstr("marked as open for writing"), HasSubstr("keep the file"),
                    HasSubstr("h5clear -s " + folder("crashed").string())));
  EXPECT_THAT(error_of("never_flushed"),
              AllOf(HasSubstr("index was never written"), HasSubstr("record the episode again")));
  EXPECT_THAT(error_of("cut_off"),
              AllOf(HasSubstr("cut off"), HasSubstr("bytes according to its header"),
                    HasSubstr("copy the file again")));
}

TEST_F(RecordedEpisodes, AreNotReadWhileBeingWritten) {
  fs::create_directories(folder("locked"));
  fs::copy_file(folder("lzf/episode_0.hdf5"), folder("locked/episode_0.hdf5"));
  const int writer = ::open(folder("locked/episode_0.hdf5").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(writer, LOCK_EX), 0);
  EXPECT_THAT(error_of("locked"), HasSubstr("another program has the file open for writing"));
  ::close(writer);
  EXPECT_EQ(error_of("locked"), "accepted");
}

TEST_F(RecordedEpisodes, AreDistinguishedFromOtherFileFormats) {
  EXPECT_THAT(error_of_bytes("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"),
              AllOf(HasSubstr("a Git LFS pointer"), HasSubstr("git lfs pull")));
  EXPECT_THAT(error_of_bytes(std::string("PK\x03\x04") + std::string(600, 'x')),
              AllOf(HasSubstr("a zip archive"), HasSubstr("unpack it")));
  EXPECT_THAT(error_of_bytes("MATLAB 5.0 MAT-file, Platform: GLNXA64"),
              HasSubstr("a MATLAB file of version 5"));
  EXPECT_THAT(error_of_bytes("a,b,c\n1,2,3\n"), HasSubstr("text that begins with 'a,b,c 1,2,3 '"));
  EXPECT_THAT(error_of_bytes("<!DOCTYPE html><html>"), HasSubstr("a web page"));
  EXPECT_THAT(error_of_bytes(""), HasSubstr("an empty file of 0 bytes"));
  EXPECT_THAT(error_of_bytes(std::string(4096, '\0')), HasSubstr("begin with zeros"));
  EXPECT_THAT(error_of_bytes("\xde\xad\xbe\xef"), HasSubstr("4 bytes of another format"));
}

TEST_F(RecordedEpisodes, AreDistinguishedFromOtherDatasetFormats) {
  const auto error_with = [](const std::string& file) {
    const ScratchFolder place;
    write_text_atomically(place / "data" / file, "x");
    write_text_atomically(place / "data" / "._episode_0.hdf5", "x");
    return error_text([&] { const Hdf5Dataset dataset({.path = place / "data"}); });
  };
  EXPECT_THAT(error_with("demo_0.hdf5"),
              AllOf(HasSubstr("HDF5 files with other names: demo_0.hdf5"), HasSubstr("rename them"),
                    HasSubstr("/observations/qpos"), Not(HasSubstr("roboimi collect"))));
  EXPECT_THAT(error_with("meta/info.json"),
              AllOf(HasSubstr("a LeRobot dataset"), Not(HasSubstr("roboimi collect"))));
  EXPECT_THAT(error_with("task/episode_0.hdf5"),
              AllOf(HasSubstr("one folder below"), HasSubstr("data/task")));
  EXPECT_THAT(error_with("notes.txt"), HasSubstr("found 1 entries with other names: notes.txt"));
}

TEST_F(RecordedEpisodes, HaveAllTheirCamerasButDepthLoadedByDefault) {
  const Hdf5Dataset dataset({.path = folder("two_cameras")});
  EXPECT_THAT(dataset.spec().camera_names(), ElementsAre("top", "wrist"));
  EXPECT_TRUE(at::equal(dataset.read(0, "wrist", 0, kRows), 255 - recorded_frames()));
  // A camera that the first episode has must be in all of them.
  EXPECT_THAT(error_text([] { const Hdf5Dataset fewer({.path = folder("fewer_cameras")}); }),
              AllOf(HasSubstr("camera 'wrist' is missing"), HasSubstr("episode_1.hdf5")));
}

TEST_F(RecordedEpisodes, RejectReadsOfMissingCamerasAndRows) {
  const Hdf5Dataset dataset(options("lzf"));
  EXPECT_THAT(error_text([&] { dataset.read(0, "wrist", 0, 1); }),
              HasSubstr("camera 'wrist' is not loaded"));
  EXPECT_THAT(error_text([&] { dataset.frame_extent(0, "top", kRows); }),
              HasSubstr("rows out of range"));
}

}  // namespace
}  // namespace roboimi::hdf5_dataset
