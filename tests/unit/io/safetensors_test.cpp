#include "roboimi/io/safetensors.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <ctime>

#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "tests/unit/io/io_test_support.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

class Safetensors : public InFolder {
 protected:
  // Writes a file with this header and `data_size` bytes of data.
  std::filesystem::path with_header(const std::string& header, std::size_t data_size) const {
    const std::uint64_t size = header.size();
    std::string bytes(reinterpret_cast<const char*>(&size), sizeof(size));
    bytes += header + std::string(data_size, '\1');
    write_quickly(folder_ / "hostile.safetensors", bytes);
    return folder_ / "hostile.safetensors";
  }
  std::string error_with_header(const std::string& header, std::size_t data_size) const {
    const auto path = with_header(header, data_size);
    return error_of([&] { read_safetensors(path); });
  }
};

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

TEST_F(Safetensors, EveryDtypeKeepsItsShapeAndItsBits) {
  std::map<std::string, at::Tensor> tensors;
  for (const c10::ScalarType dtype :
       {c10::kBool, c10::kByte, c10::kChar, c10::kUInt16, c10::kShort, c10::kUInt32, c10::kInt,
        c10::kUInt64, c10::kLong, c10::kHalf, c10::kBFloat16, c10::kFloat, c10::kDouble,
        c10::kComplexFloat, c10::kFloat8_e4m3fn, c10::kFloat8_e5m2}) {
    tensors[c10::toString(dtype)] = at::arange(6, at::kFloat).reshape({2, 3}).to(dtype);
  }
  tensors["scalar"] = at::scalar_tensor(2.5);
  tensors["empty"] = at::empty({0, 4});
  tensors["strided"] = at::arange(12, at::kFloat).reshape({3, 4}).t();
  write_safetensors(folder_ / "a.safetensors", tensors, {{"author", "Zoë \"quoted\""}});
  const TensorFile file = read_safetensors(folder_ / "a.safetensors");
  ASSERT_EQ(file.tensors.size(), tensors.size());
  EXPECT_EQ(file.metadata.at("author"), "Zoë \"quoted\"");
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor& read = file.tensors.at(name);
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_EQ(read.sizes(), tensor.sizes()) << name;
    EXPECT_TRUE(bytes_of(read) == bytes_of(tensor)) << name;
  }
}

TEST_F(Safetensors, TensorsOutliveTheFileObjectAndTheFile) {
  at::Tensor tensor;
  {
    write_safetensors(folder_ / "a.safetensors", {{"x", at::full({1000}, 3.0f)}});
    tensor = read_safetensors(folder_ / "a.safetensors").tensors.at("x");
    std::filesystem::remove(folder_ / "a.safetensors");
  }
  EXPECT_EQ(tensor.sum().item<float>(), 3000.0f);
}

TEST_F(Safetensors, LargeTensorsAreAlignedTo64Bytes) {
  write_safetensors(folder_ / "a.safetensors", {{"a", at::ones({3}, at::kByte)},
                                                {"b", at::ones({5}, at::kDouble)},
                                                {"c", at::ones({16})},
                                                {"d", at::ones({64}, at::kHalf)}});
  const TensorFile file = read_safetensors(folder_ / "a.safetensors");
  for (const char* name : {"c", "d"}) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.tensors.at(name).const_data_ptr()) % 64, 0u);
  }
  EXPECT_TRUE(at::equal(file.tensors.at("b"), at::ones({5}, at::kDouble)));
}

TEST_F(Safetensors, TheSameContentsGiveTheSameBytes) {
  const std::map<std::string, at::Tensor> tensors = {{"x", at::arange(7)}, {"y", at::ones({2, 2})}};
  write_safetensors(folder_ / "a", tensors, {{"k", "v"}});
  write_safetensors(folder_ / "b", tensors, {{"k", "v"}});
  EXPECT_EQ(read_text(folder_ / "a"), read_text(folder_ / "b"));
}

TEST_F(Safetensors, TheHashIsThatOfTheFile) {
  // Only the large tensors are hashed in a separate thread.
  const std::map<std::string, at::Tensor> tensors = {{"large", at::rand({700, 1000})},
                                                     {"strided", at::rand({700, 1000}).t()},
                                                     {"small", at::rand({3})},
                                                     {"empty", at::empty({0})}};
  Sha256 sum;
  write_safetensors(folder_ / "a", tensors, {{"k", "v"}}, &sum);
  EXPECT_EQ(sum.hex(), sha256_file(folder_ / "a"));
}

TEST_F(Safetensors, MisalignedDataIsCopied) {
  const auto path = with_header(
      "{" + entry("a", "U8", "[1]", "[0,1]") + "," + entry("b", "F32", "[2]", "[1,9]") + "}", 9);
  const at::Tensor tensor = read_safetensors(path).tensors.at("b");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % 4, 0u);
  std::uint32_t bits = 0;
  std::memcpy(&bits, tensor.const_data_ptr(), 4);
  EXPECT_EQ(bits, 0x01010101u);
}

TEST_F(Safetensors, EveryTruncationIsAnError) {
  write_safetensors(folder_ / "a", {{"x", at::arange(7)}, {"y", at::ones({2, 2})}});
  const std::string whole = read_text(folder_ / "a");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_quickly(folder_ / "cut", whole.substr(0, size));
    EXPECT_THAT(error_of([&] { read_safetensors(folder_ / "cut"); }),
                HasSubstr("not a valid safetensors file"))
        << size;
  }
}

TEST_F(Safetensors, EveryFlippedHeaderBitIsAnErrorOrHarmless) {
  write_safetensors(folder_ / "a", {{"x", at::arange(7)}, {"y", at::ones({2, 2})}});
  const std::string whole = read_text(folder_ / "a");
  const std::size_t header_end = whole.size() - 7 * 8 - 4 * 4;
  int errors = 0;
  for (std::size_t bit = 0; bit < 8 * header_end; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    write_quickly(folder_ / "flipped", flipped);
    errors += !error_of([&] { read_safetensors(folder_ / "flipped"); }).empty();
  }
  EXPECT_GT(errors, 500);  // the rest renames a tensor or changes one dtype of equal size
}

TEST_F(Safetensors, WrongHeadersAreErrorsThatNameTheFault) {
  const std::string good = entry("a", "F32", "[2]", "[0,8]");
  EXPECT_THAT(error_with_header("{" + entry("a", "F32", "[3]", "[0,8]") + "}", 8),
              HasSubstr("the shape of tensor 'a' disagrees with its offsets: expected 12 bytes"));
  EXPECT_THAT(error_with_header("{" + entry("a", "F32", "[2]", "[0,80]") + "}", 8),
              HasSubstr("tensor 'a' is outside the file"));
  EXPECT_THAT(error_with_header("{" + entry("a", "F99", "[2]", "[0,8]") + "}", 8),
              HasSubstr("the dtype of tensor 'a' is unknown"));
  EXPECT_THAT(error_with_header("{" + good + "," + entry("b", "F32", "[2]", "[4,12]") + "}", 12),
              HasSubstr("tensor 'b' overlaps another"));
  EXPECT_THAT(error_with_header("{" + good + "," + entry("b", "F32", "[1]", "[12,16]") + "}", 16),
              HasSubstr("bytes before tensor 'b' are unused"));
  EXPECT_THAT(error_with_header("{" + good + "}", 9), HasSubstr("do not fill the file"));
  EXPECT_THAT(error_with_header("{" + good + "," + good + "}", 8), HasSubstr("'a' appears twice"));
  EXPECT_THAT(
      error_with_header(
          "{" + entry("a", "F32", "[4611686018427387904,4611686018427387904]", "[0,8]") + "}", 8),
      HasSubstr("the shape of tensor 'a' overflows"));
  EXPECT_THAT(
      error_with_header("{" + entry("a", "F32", "[0,9223372036854775807]", "[0,0]") + "}", 0),
      HasSubstr("the shape of tensor 'a' overflows"));
  EXPECT_THAT(error_with_header("{" + entry("a", "F32", "[-2]", "[0,8]") + "}", 8),
              HasSubstr("expected whole numbers from 0; found -2"));
  EXPECT_THAT(error_with_header("{" + entry("a", "BOOL", "[8]", "[8,0]") + "}", 8),
              HasSubstr("is outside the file"));
  EXPECT_THAT(error_with_header("[1]", 0), HasSubstr("not a JSON object"));
  EXPECT_THAT(error_with_header("{\"a\":1}", 0), HasSubstr("tensor 'a' has no dtype"));
  EXPECT_THAT(error_with_header("{\"__metadata__\":{\"a\":1}}", 0), HasSubstr("is not a string"));
  EXPECT_THAT(error_with_header("{" + good, 8), HasSubstr("the header is not JSON"));
}

TEST_F(Safetensors, ADeepOrLongHeaderIsRejectedEarly) {
  EXPECT_THAT(error_with_header("{\"a\":" + std::string(1'000'000, '['), 0),
              HasSubstr("nested too deeply"));
  std::string numbers = "{\"a\":{\"shape\":[0";
  for (int i = 0; i < 100'000; ++i) numbers += ",0";
  EXPECT_THAT(error_with_header(numbers, 0), HasSubstr("a list in the header is too long"));
}

// A parser with quadratic time needs 28 seconds of CPU time for this header.
TEST_F(Safetensors, AHeaderOfManyTensorsIsReadInLinearTime) {
  std::string header = "{";
  for (int i = 0; i < 20'000; ++i) {
    header += (i > 0 ? "," : "") + entry("layer." + std::to_string(i), "F32", "[0]", "[0,0]");
  }
  const std::clock_t start = std::clock();
  EXPECT_EQ(error_with_header(header + "}", 0), "");
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  EXPECT_LT(seconds, 1.0);
  header += "," + entry("layer.7", "F32", "[0]", "[0,0]") + "}";
  EXPECT_THAT(error_with_header(header, 0), HasSubstr("'layer.7' appears twice"));
}

TEST_F(Safetensors, RepeatedKeysAreRejectedAtEveryDepth) {
  EXPECT_THAT(error_with_header(R"({"a":{"dtype":"F32","dtype":"F32"}})", 0),
              HasSubstr("'dtype' appears twice"));
  EXPECT_THAT(error_with_header(R"({"__metadata__":{"x":"1","x":"2"}})", 0),
              HasSubstr("'x' appears twice"));
  EXPECT_THAT(error_with_header(R"({"__metadata__":{},"__metadata__":{}})", 0),
              HasSubstr("'__metadata__' appears twice"));
}

TEST_F(Safetensors, ABoolThatIsNeither0Nor1IsAnError) {
  const std::uint64_t size = 60;
  std::string bytes(reinterpret_cast<const char*>(&size), sizeof(size));
  std::string header = "{" + entry("a", "BOOL", "[1]", "[0,1]") + "}";
  header.resize(60, ' ');
  write_quickly(folder_ / "b", bytes + header + '\7');
  EXPECT_THAT(error_of([&] { read_safetensors(folder_ / "b"); }), HasSubstr("neither 0 nor 1"));
}

TEST_F(Safetensors, AFolderAndAMissingFileAreErrors) {
  EXPECT_THAT(error_of([&] { read_safetensors(folder_); }), HasSubstr("found a folder"));
  EXPECT_THAT(error_of([&] { read_safetensors(folder_ / "none"); }), HasSubstr("No such file"));
}

TEST_F(Safetensors, AFullDiskLeavesTheOldFile) {
  write_safetensors(folder_ / "a", {{"x", at::ones({2})}});
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{.rlim_cur = 1000, .rlim_max = old.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string text = error_of([&] {
    write_safetensors(folder_ / "a", {{"x", at::ones({10000})}});
  });
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_THAT(text, HasSubstr("File too large"));
  EXPECT_EQ(read_safetensors(folder_ / "a").tensors.at("x").numel(), 2);
  EXPECT_EQ(num_entries(), 1);
}

}  // namespace
}  // namespace roboimi
