// Tests with weights in the many forms in which people save them, written with PyTorch by
// tests/reference/write_foreign_weights.py.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "roboimi/common/files.h"
#include "roboimi/io/checkpoint_file.h"
#include "roboimi/io/safetensors.h"
#include "tests/unit/io/io_test_support.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ForeignWeights : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("roboimi_foreign_" + std::to_string(::getpid()));
    const std::string command = std::string(ROBOIMI_SOURCE_DIR "/.venv/bin/python -W ignore ") +
                                ROBOIMI_SOURCE_DIR "/tests/reference/write_foreign_weights.py " +
                                folder_.string();
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static std::string error_for(const std::string& name, const std::string& state_dict = "") {
    return error_of([&] { read_checkpoint_file(folder_ / name, state_dict); });
  }
  // Expects the network's weights, with `more` added to the floating-point ones.
  static void expect_weights(const CheckpointFile& file, double more = 0) {
    const auto expected = read_safetensors(folder_ / "expected.safetensors").tensors;
    for (const auto& [name, tensor] : expected) {
      ASSERT_TRUE(file.tensors.contains(name)) << name;
      const at::Tensor wanted = tensor.is_floating_point() ? tensor + more : tensor;
      EXPECT_TRUE(at::equal(file.tensors.at(name), wanted)) << name;
    }
  }
  static void expect_only(const CheckpointFile& file, double more = 0) {
    expect_weights(file, more);
    EXPECT_EQ(file.tensors.size(), 8u);
  }

  static fs::path folder_;
};

fs::path ForeignWeights::folder_;

TEST_F(ForeignWeights, FromBeforePyTorch16AreRead) {
  expect_only(read_checkpoint_file(folder_ / "legacy.pt"));
  const CheckpointFile module = read_checkpoint_file(folder_ / "legacy_module.pt");
  EXPECT_EQ(module.layout, "module");
  expect_only(module);
}

TEST_F(ForeignWeights, FromBeforePyTorch16AreAnErrorIfTruncatedAnywhere) {
  const std::string whole = read_text(folder_ / "legacy.pt");
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    write_quickly(folder_ / "cut.pt", std::string_view(whole).substr(0, size));
    EXPECT_NE(error_for("cut.pt"), "") << size;
  }
}

TEST_F(ForeignWeights, AreFoundAnywhereIfTheFileHasOnlyOneSet) {
  for (const auto& [name, place] :
       std::map<std::string, std::string>{{"net.pt", "net"},
                                          {"deep.pt", "run.best.weights"},
                                          {"tuple.pt", "0"},
                                          {"wrapper.pt", "net"}}) {
    const CheckpointFile file = read_checkpoint_file(folder_ / name);
    expect_only(file);
    EXPECT_EQ(file.state_dict, place) << name;
  }
  // One dict under two names.
  expect_only(read_checkpoint_file(folder_ / "same.ckpt"));
}

TEST_F(ForeignWeights, AreAllReadIfThereAreSeveralSetsAndNoneIsSelected) {
  const fs::path workspace = folder_ / "workspace.ckpt";
  const CheckpointFile all = read_checkpoint_file(workspace);
  EXPECT_EQ(all.layout, "state_dicts");
  EXPECT_THAT(all.state_dicts, ElementsAre("state_dicts.model", "state_dicts.ema_model"));
  EXPECT_EQ(all.tensors.size(), 16u);
  EXPECT_TRUE(all.tensors.contains("state_dicts.ema_model.body.0.weight"));
  expect_only(read_checkpoint_file(workspace, "state_dicts.model"));
  expect_only(read_checkpoint_file(workspace, "state_dicts.ema_model"), 1);
  EXPECT_THAT(error_for("workspace.ckpt", "ema"),
              AllOf(HasSubstr("the file has no weights at 'ema'"),
                    HasSubstr("found state_dicts.model, state_dicts.ema_model")));
}

TEST_F(ForeignWeights, AreTheModelsByDefaultNotItsAverages) {
  expect_only(read_checkpoint_file(folder_ / "beside.pt"));
  expect_only(read_checkpoint_file(folder_ / "beside.pt", "model_ema"), 1);
  // A prefix of names also selects.
  EXPECT_EQ(read_checkpoint_file(folder_ / "flat.pt").tensors.size(), 16u);
  expect_only(read_checkpoint_file(folder_ / "flat.pt", "ema_model"), 1);
}

TEST_F(ForeignWeights, AreReadFromArchivesThatWerePackedAgain) {
  for (const char* name : {"renamed.pt", "bare.pt", "deeper.pt"}) {
    expect_only(read_checkpoint_file(folder_ / name));
  }
}

TEST_F(ForeignWeights, UnpackedOrPackedTwiceAreErrorsWithInstructions) {
  EXPECT_THAT(error_for("w.pt.zip"), AllOf(HasSubstr("a zip archive that holds 'w.pt'"),
                                           HasSubstr("unpack it first: unzip")));
  const std::string advice =
      "(cd '" + (folder_ / "unpacked").string() + "' && zip -0 -r converted.pt 'w')";
  for (const char* name : {"unpacked", "unpacked/w", "unpacked/w/data.pkl"}) {
    EXPECT_THAT(error_for(name),
                AllOf(HasSubstr("the unpacked contents of a torch.save file"), HasSubstr(advice)));
  }
}

TEST_F(ForeignWeights, InShardsAreReadThroughTheirIndex) {
  expect_only(read_checkpoint_file(folder_ / "sharded"));
  const fs::path index = folder_ / "sharded/model.safetensors.index.json";
  expect_only(read_checkpoint_file(index));
  fs::create_directories(folder_ / "partial");
  fs::copy(index, folder_ / "partial/model.safetensors.index.json");
  fs::copy(folder_ / "sharded/model-00001-of-00002.safetensors", folder_ / "partial");
  EXPECT_THAT(error_for("partial"), AllOf(HasSubstr("1 of 2 shards are missing"),
                                          HasSubstr("model-00002-of-00002.safetensors in the same "
                                                    "folder")));
  write_quickly(folder_ / "partial/model.safetensors.index.json",
                R"({"weight_map": {"a": "../sharded/model-00001-of-00002.safetensors"}})");
  EXPECT_THAT(error_for("partial"), HasSubstr("the index names no file for tensor 'a'"));
  // Printing nested lists recurses.
  const std::size_t depth = 200'000;
  write_quickly(
      folder_ / "partial/model.safetensors.index.json",
      R"({"weight_map": {"a": )" + std::string(depth, '[') + std::string(depth, ']') + "}}");
  EXPECT_THAT(error_for("partial"), HasSubstr("the index names no file for tensor 'a'"));
}

TEST_F(ForeignWeights, InADistributedCheckpointAreErrorsWithInstructions) {
  const fs::path folder = folder_ / "distributed";
  fs::create_directories(folder);
  write_quickly(folder / ".metadata", "x");
  write_quickly(folder / "__0_0.distcp", "PK\3\4");
  for (const char* name : {"distributed", "distributed/__0_0.distcp", "distributed/.metadata"}) {
    EXPECT_THAT(error_for(name),
                AllOf(HasSubstr("a distributed checkpoint of PyTorch"),
                      HasSubstr("dcp_to_torch '" + folder.string() + "' converted.pt")));
  }
}

TEST_F(ForeignWeights, AFolderIsAnErrorThatListsItsWeightFiles) {
  fs::create_directories(folder_ / "hub");
  write_quickly(folder_ / "hub/model.safetensors", "");
  write_quickly(folder_ / "hub/config.json", "");
  EXPECT_THAT(error_for("hub"),
              AllOf(HasSubstr("found a folder"), HasSubstr("file inside it: model.safetensors")));
}

TEST_F(ForeignWeights, AreReadNextToUnsupportedTensors) {
  const CheckpointFile file = read_checkpoint_file(folder_ / "unread.pt");
  expect_only(file);
  EXPECT_EQ(file.unread.at("quantized"), "quantized");
  EXPECT_EQ(file.unread.at("parameter"), "quantized");
  EXPECT_EQ(file.unread.at("sparse"), "sparse");
  EXPECT_TRUE(file.unread.contains("conjugated"));
}

TEST_F(ForeignWeights, AreReadNextToTensorsOfUnknownDtypes) {
  std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                       R"("b":{"dtype":"F4","shape":[8],"data_offsets":[4,8]}})";
  const std::uint64_t size = header.size();
  const std::string start(reinterpret_cast<const char*>(&size), sizeof(size));
  write_quickly(folder_ / "f4.safetensors", start + header + std::string(8, '\0'));
  const CheckpointFile file = read_checkpoint_file(folder_ / "f4.safetensors");
  EXPECT_EQ(file.tensors.size(), 1u);
  EXPECT_EQ(file.unread.at("b"), "of dtype F4");
  EXPECT_THAT(error_of([&] { read_safetensors(folder_ / "f4.safetensors"); }),
              HasSubstr("the dtype of tensor 'b' is unknown"));
}

TEST_F(ForeignWeights, FailedDownloadsAreErrorsThatNameTheFormat) {
  const std::map<std::string, std::string> starts = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a Git LFS pointer"},
      {"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"},
      {"\n <HTML><head></head></HTML>", "a web page"},
      {"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "an XML document"},
      {"\x1f\x8b\x08 packed", "a gzip archive"},
      {"\x89HDF\r\n\x1a\n", "an .h5 file, as Keras saves weights"}};
  for (const auto& [start, found] : starts) {
    for (const char* name : {"page.pth", "page.safetensors"}) {
      write_quickly(folder_ / name, start);
      EXPECT_THAT(error_for(name), HasSubstr("found " + found)) << start;
    }
  }
}

TEST_F(ForeignWeights, InTheTarFormatAreErrorsWithAStatementThatConvertsThem) {
  std::string tar(1024, '\0');
  tar.replace(0, 8, "sys_info");
  tar.replace(257, 5, "ustar");
  tar.replace(512, 8, "storages");
  write_quickly(folder_ / "old's.pth", tar);
  EXPECT_THAT(error_for("old's.pth"),
              AllOf(HasSubstr("a tar archive, the format of torch.save before PyTorch 0.4"),
                    HasSubstr("this can run code in it"),
                    HasSubstr("old\\'s.pth', map_location='cpu', weights_only=False), "
                              "'converted.pt')")));
  tar.replace(512, 8, "anything");
  write_quickly(folder_ / "other.pth", tar);
  EXPECT_THAT(error_for("other.pth"),
              AllOf(HasSubstr("found a tar archive"), Not(HasSubstr("PyTorch 0.4"))));
}

TEST_F(ForeignWeights, MayBeAbsentInAnInspectedFile) {
  write_quickly(folder_ / "x.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10));
  EXPECT_THAT(error_for("x.safetensors"), HasSubstr("the file holds no weights"));
  EXPECT_TRUE(inspect_checkpoint_file(folder_ / "x.safetensors").tensors.empty());
}

}  // namespace
}  // namespace roboimi
