#include "roboimi/common/error.h"

#include <gtest/gtest.h>

namespace roboimi {
namespace {

TEST(Error, FormatsAllPartsInOneLine) {
  const Error error({.what = "unknown key 'n_embd'",
                     .where = "lewm.yaml:12:5",
                     .expected = "one of n_emb, n_layer",
                     .found = "n_embd",
                     .next = "did you mean 'n_emb'?"});
  EXPECT_STREQ(
      error.what(),
      "lewm.yaml:12:5: unknown key 'n_embd': expected one of n_emb, n_layer; found n_embd; "
      "did you mean 'n_emb'?");
}

TEST(Error, LeavesOutEmptyParts) {
  EXPECT_STREQ(Error("plain").what(), "plain");
  EXPECT_STREQ(Error({.what = "bad", .next = "do that"}).what(), "bad; do that");
}

TEST(Error, ShowsLineBreaksAndControlCharactersOfNamesAsCodes) {
  const Error error({.what = "unknown key 'a\nb'",
                     .where = "/data/two\nlines.yaml",
                     .expected = "a\tname",
                     .found = "\x1b[31mred",
                     .next = "rename it\r"});
  EXPECT_STREQ(error.what(),
               "/data/two\\x0alines.yaml: unknown key 'a\\x0ab': expected a\\x09name; found "
               "\\x1b[31mred; rename it\\x0d");
  EXPECT_EQ(error.parts().where, "/data/two\nlines.yaml") << "the parts are unchanged";
  EXPECT_EQ(one_line_message(error), error.what());
  EXPECT_EQ(one_line_message(std::runtime_error("a\x1b[2Jb\nsecond line")), "a\\x1b[2Jb");
  const std::string name(5000, 'x');
  EXPECT_EQ(Error(name + " é").what(), name + " é") << "long texts are complete";
}

TEST(Error, OfLibtorchIsTruncatedToOneLine) {
  try {
    at::ones({2, 3}).matmul(at::ones({2, 3}));
    FAIL() << "matmul of wrong shapes did not throw";
  } catch (const std::exception& error) {
    const std::string text = one_line_message(error);
    EXPECT_NE(text.find("mat1 and mat2"), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos);
  }
}

TEST(Error, OfAnAllocatorReportsLackOfMemory) {
  const std::string expected = "not enough memory; use smaller sizes, or free some memory";
  EXPECT_EQ(one_line_message(std::bad_alloc()), expected);
  try {
    at::empty({std::int64_t{1} << 46}, at::kFloat);  // more than a process can address
    FAIL() << "256 TiB were allocated";
  } catch (const std::exception& error) {
    EXPECT_EQ(one_line_message(error), expected);
  }
}

}  // namespace
}  // namespace roboimi
