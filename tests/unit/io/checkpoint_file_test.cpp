// Tests with files that tests/reference/write_checkpoints.py writes with PyTorch and safetensors.
#include "roboimi/io/checkpoint_file.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <sys/resource.h>

#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/io/pickle_graph.h"
#include "roboimi/io/safetensors.h"
#include "tests/unit/io/io_test_support.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

// AddressSanitizer adds redzones around the many small values of a pickle.
#ifdef __SANITIZE_ADDRESS__
constexpr long kMostMegabytes = 1400;
#else
constexpr long kMostMegabytes = 700;
#endif

// The peak memory of this process in megabytes.
long peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

class CheckpointFiles : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("roboimi_checkpoints_" + std::to_string(::getpid()));
    const std::string command = std::string(ROBOIMI_SOURCE_DIR "/.venv/bin/python ") +
                                ROBOIMI_SOURCE_DIR "/tests/reference/write_checkpoints.py " +
                                folder_.string();
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static std::string error_for(const std::string& name) {
    return error_of([&] { read_checkpoint_file(folder_ / name); });
  }
  static void expect_same(const std::string& name, const std::string& expected_name) {
    const CheckpointFile file = read_checkpoint_file(folder_ / name);
    const TensorFile expected = read_safetensors(folder_ / expected_name);
    EXPECT_EQ(file.tensors.size(), expected.tensors.size()) << name;
    for (const auto& [key, tensor] : expected.tensors) {
      ASSERT_TRUE(file.tensors.contains(key)) << name << " lacks " << key;
      const at::Tensor& read = file.tensors.at(key);
      EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << name << " " << key;
      ASSERT_EQ(read.sizes(), tensor.sizes()) << name << " " << key;
      EXPECT_TRUE(bytes_of(read) == bytes_of(tensor)) << name << " " << key;
    }
  }

  static fs::path folder_;
};

fs::path CheckpointFiles::folder_;

TEST_F(CheckpointFiles, MustMatchTheirSha256FileIfThereIsOne) {
  const fs::path file = folder_ / "summed.safetensors";
  write_safetensors(file, {{"weight", at::ones({3})}});
  const std::string sum = sha256_file(file);
  write_text_atomically(file.string() + ".sha256", sum + "  summed.safetensors\n");
  EXPECT_EQ(read_checkpoint_file(file).tensors.size(), 1u);
  write_safetensors(file, {{"weight", at::zeros({3})}});
  EXPECT_THAT(error_for("summed.safetensors"),
              AllOf(HasSubstr("summed.safetensors: the file does not match its SHA-256"),
                    HasSubstr("expected SHA-256 " + sum + ", as summed.safetensors.sha256 states"),
                    HasSubstr("found " + sha256_file(file))));
}

TEST_F(CheckpointFiles, TheShippedEncoderMatchesItsSha256File) {
  const fs::path file = ROBOIMI_SOURCE_DIR "/assets/checkpoints/lewm_sim_transfer.safetensors";
  EXPECT_THAT(read_text(file.string() + ".sha256"), HasSubstr(sha256_file(file)));
}

TEST_F(CheckpointFiles, EveryLayoutGivesTheTensorsThatPythonSaved) {
  const std::map<std::string, std::string> layouts = {
      {"state_dict.pt", "state_dict"},      {"protocol_4.pt", "state_dict"},
      {"protocol_5.pt", "state_dict"},      {"parameters.pt", "state_dict"},
      {"training_script.pt", "state_dict"}, {"lightning.ckpt", "lightning"},
      {"policy_object.ckpt", "module"},     {"expected_policy.safetensors", "safetensors"}};
  for (const auto& [name, layout] : layouts) {
    expect_same(name, "expected_policy.safetensors");
    const CheckpointFile file = read_checkpoint_file(folder_ / name);
    EXPECT_EQ(file.layout, layout) << name;
    EXPECT_EQ(file.sha256, sha256_file(folder_ / name));
  }
}

TEST_F(CheckpointFiles, EveryDtypeStrideAndSharedStorageIsRead) {
  expect_same("dtypes.pt", "expected_dtypes.safetensors");
  const CheckpointFile file = read_checkpoint_file(folder_ / "dtypes.pt");
  EXPECT_EQ(file.tensors.at("transposed").strides(), (c10::IntArrayRef{1, 6}));
  EXPECT_TRUE(file.tensors.at("row").is_alias_of(file.tensors.at("every_third")));
}

TEST_F(CheckpointFiles, TiedWeightsStayTied) {
  const CheckpointFile file = read_checkpoint_file(folder_ / "policy_object.ckpt");
  EXPECT_TRUE(file.tensors.at("first.weight").is_alias_of(file.tensors.at("tied.weight")));
  EXPECT_FALSE(file.tensors.contains("not_kept"));
}

TEST_F(CheckpointFiles, OtherContentsOfALightningCheckpointAreListed) {
  const auto other = read_checkpoint_file(folder_ / "lightning.ckpt").other_contents;
  EXPECT_THAT(other, Contains("pytorch-lightning_version: '2.4.0'"));
  EXPECT_THAT(other, Contains("epoch: 7"));
  EXPECT_THAT(other, Contains("global_step: integer of 9 bytes"));
  EXPECT_THAT(other, Contains("hyper_parameters: dict of 4"));
  EXPECT_THAT(other, Contains("callbacks: dict of 1"));
  EXPECT_THAT(other, Contains("optimizer_states: list of 1"));
  EXPECT_THAT(other, Contains("loops: tuple of 4"));
}

TEST_F(CheckpointFiles, MetadataOfSafetensorsIsKept) {
  EXPECT_EQ(read_checkpoint_file(folder_ / "expected_policy.safetensors").metadata.at("made_by"),
            "python");
}

TEST_F(CheckpointFiles, ACommandInAPickleIsDataAndIsNotRun) {
  const CheckpointFile file = read_checkpoint_file(folder_ / "os_system.pt");
  EXPECT_EQ(file.tensors.size(), 2u);
  EXPECT_THAT(file.other_contents, Contains("run: object of class posix.system"));
  EXPECT_FALSE(fs::exists(folder_ / "was_executed"));
}

TEST_F(CheckpointFiles, OtherFormatsAreErrorsThatNameTheFormat) {
  EXPECT_THAT(error_for("torchscript.pt"), HasSubstr("found a TorchScript archive"));
  EXPECT_THAT(error_for("array.npz"), HasSubstr("found a NumPy archive"));
  EXPECT_THAT(error_for("array.npy"), HasSubstr("found a NumPy array"));
  EXPECT_THAT(error_for("bare.pkl"), HasSubstr("found a bare pickle"));
  EXPECT_THAT(error_for("list.pt"), AllOf(HasSubstr("holds no weights"), HasSubstr("list of 2")));
  EXPECT_THAT(error_for("no_weights.pt"), HasSubstr("holds no weights"));
  EXPECT_THAT(error_for("big_endian.pt"), HasSubstr("big-endian"));
  EXPECT_THAT(error_for("."), HasSubstr("found a folder"));
  EXPECT_THAT(error_for("none.pt"), HasSubstr("No such file"));
  write_quickly(folder_ / "text.pt", "hello");
  EXPECT_THAT(error_for("text.pt"), HasSubstr("the file is damaged or has another format"));
  write_quickly(folder_ / "empty.pt", "");
  EXPECT_THAT(error_for("empty.pt"), HasSubstr("found an empty file"));
}

TEST_F(CheckpointFiles, SmallDeflatedEntriesAreRead) {
  const CheckpointFile file = read_checkpoint_file(folder_ / "deflated.pt");
  EXPECT_TRUE(at::equal(file.tensors.at("weight"), at::arange(6, at::kFloat).reshape({2, 3})));
}

TEST_F(CheckpointFiles, MaliciousArchivesAreErrorsInBoundedMemory) {
  const long before = peak_megabytes();
  EXPECT_THAT(error_for("bomb.pt"), HasSubstr("the archive is too large when unpacked"));
  EXPECT_THAT(error_for("short_storage.pt"), HasSubstr("storage '0'"));
  EXPECT_THAT(error_for("larger_than_storage.pt"), HasSubstr("larger than its storage"));
  EXPECT_THAT(error_for("endless_marks.pt"), HasSubstr("a stack that is too large"));
  EXPECT_THAT(error_for("endless_values.pt"), HasSubstr("its pickle"));
  EXPECT_THAT(error_for("lying_text.pt"), HasSubstr("ends too early"));
  EXPECT_THAT(error_for("empty_stack.pt"), HasSubstr("pops from an empty stack"));
  EXPECT_THAT(error_for("copies.pt"), HasSubstr("copies too much"));
  EXPECT_THAT(error_for("doubling_modules.pt"), HasSubstr("repeat each other too often"));
  EXPECT_THAT(error_for("zero_stride.pt"), HasSubstr("repeat their storages too often"));
  EXPECT_THAT(error_for("cycle.pt"), HasSubstr("holds no weights"));
  EXPECT_THAT(error_for("class_names.pt"), HasSubstr("copies too much"));
  EXPECT_THAT(error_for("long_key.pt"), HasSubstr("copies too much"));
  EXPECT_LT(peak_megabytes() - before, kMostMegabytes);
}

// Without a limit, the walk over these would visit ten billion entries.
TEST_F(CheckpointFiles, ObjectsThatShareALargeStateTakeNoTime) {
  EXPECT_THAT(error_for("shared_state.pt"), HasSubstr("holds no weights"));
  EXPECT_THAT(error_for("shared_child_state.pt"), HasSubstr("repeat each other too often"));
}

TEST(UnreadTensor, IsFoundInsideAParameter) {
  using Kind = PickleNode::Kind;
  const PickleNode quantized{.kind = Kind::kObject, .text = "torch._utils._rebuild_qtensor"};
  const PickleNode arguments{.kind = Kind::kTuple, .items = {&quantized}};
  const PickleNode parameter{
      .kind = Kind::kObject, .text = "torch._utils._rebuild_parameter", .items = {&arguments}};
  EXPECT_EQ(unread_tensor(quantized), "quantized");
  EXPECT_EQ(unread_tensor(parameter), "quantized");
  // Wrappers around wrappers are not followed: a chain of them could be as long as the file.
  const PickleNode more{.kind = Kind::kTuple, .items = {&parameter}};
  const PickleNode twice{
      .kind = Kind::kObject, .text = "torch._utils._rebuild_parameter", .items = {&more}};
  EXPECT_EQ(unread_tensor(twice), "of an unsupported kind (torch._utils._rebuild_parameter)");
}

TEST_F(CheckpointFiles, AStorageThatIsListedTwiceIsAnError) {
  EXPECT_THAT(error_for("listed_twice.pt"), HasSubstr("is listed twice"));
}

TEST_F(CheckpointFiles, EveryTruncationIsAnError) {
  const std::string whole = read_text(folder_ / "small.pt");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_quickly(folder_ / "cut.pt", std::string_view(whole).substr(0, size));
    EXPECT_NE(error_for("cut.pt"), "") << size;
  }
}

TEST_F(CheckpointFiles, AFlippedBitIsAnErrorOrChangesNoWeight) {
  const std::string whole = read_text(folder_ / "small.pt");
  const auto expected = read_checkpoint_file(folder_ / "small.pt").tensors;
  int errors = 0;
  // Every third bit, which covers each byte and each bit position.
  for (std::size_t bit = 0; bit < 8 * whole.size(); bit += 3) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    write_quickly(folder_ / "flipped.pt", flipped);
    try {
      const auto tensors = read_checkpoint_file(folder_ / "flipped.pt").tensors;
      for (const auto& [name, tensor] : expected) {
        ASSERT_TRUE(tensors.contains(name)) << "bit " << bit;
        ASSERT_TRUE(at::equal(tensors.at(name), tensor)) << "bit " << bit;
      }
    } catch (const Error&) {
      ++errors;
    }
  }
  EXPECT_GT(errors, 1000);
}

TEST_F(CheckpointFiles, AFlippedWeightByteIsNamed) {
  std::string bytes = read_text(folder_ / "small.pt");
  const float value = 5.0f;
  const std::size_t place = bytes.find(std::string(reinterpret_cast<const char*>(&value), 4));
  ASSERT_NE(place, std::string::npos);
  bytes[place] = '\1';
  write_quickly(folder_ / "weight.pt", bytes);
  EXPECT_THAT(error_for("weight.pt"), HasSubstr("damaged zip archive: entry 'small/data/0': CRC"));
}

TEST_F(CheckpointFiles, OverlappingEntriesAreRejectedBeforeReading) {
  std::string bytes = read_text(folder_ / "small.pt");
  // Set the second entry's position to that of the first.
  const std::string signature("PK\x01\x02", 4);
  const std::size_t first = bytes.find(signature), second = bytes.find(signature, first + 4);
  bytes.replace(second + 42, 4, bytes.substr(first + 42, 4));
  write_quickly(folder_ / "overlap.pt", bytes);
  EXPECT_THAT(error_for("overlap.pt"), HasSubstr("overlaps another"));
  // An entry that is larger than the file.
  bytes = read_text(folder_ / "small.pt");
  bytes.replace(second + 20, 8, std::string("\xff\xff\xff\x7f\xff\xff\xff\x7f", 8));
  write_quickly(folder_ / "large.pt", bytes);
  EXPECT_THAT(error_for("large.pt"), HasSubstr("is larger than the file"));
}

TEST_F(CheckpointFiles, WeightsThatAreNotFiniteAreCounted) {
  const CheckpointFile file = read_checkpoint_file(folder_ / "not_finite.pt");
  EXPECT_EQ(count_not_finite(file.tensors.at("bias")), 2);
  EXPECT_EQ(count_not_finite(file.tensors.at("weight")), 0);
  EXPECT_EQ(count_not_finite(at::arange(3)), 0);
  EXPECT_EQ(count_not_finite(at::full({2}, NAN).to(at::kFloat8_e5m2)), 2);
}

}  // namespace
}  // namespace roboimi
