#include "app/check_streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/error_text.h"

namespace roboimi::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string error_of(const std::string& words) {
  return error_text([&] { stream_of(words); });
}

TEST(CheckStreams, AreWrittenOnTheCommandLine) {
  EXPECT_EQ(stream_of("wrench=vector:7"), vector_stream("wrench", 7));
  EXPECT_EQ(stream_of("side=rgb:48x64"), rgb_stream("side", {48, 64}));
  EXPECT_EQ(stream_of("side=rgb:48x64x3:uint8"), rgb_stream("side", {48, 64}));
  EXPECT_EQ(stream_of("range=depth:48x64"), depth_stream("range", {48, 64}));
  EXPECT_EQ(stream_of("range=depth:48x64:uint16"),
            depth_stream("range", {48, 64}, at::kUInt16, "mm"));
  EXPECT_EQ(stream_of("goal=text:16"), text_stream("goal", 16));
}

TEST(CheckStreams, HaveADefaultShape) {
  EXPECT_EQ(stream_of("wrench=vector"), vector_stream("wrench", 6));
  EXPECT_EQ(stream_of("side=rgb"), rgb_stream("side", {72, 96}));
  EXPECT_EQ(stream_of("range=depth"), depth_stream("range", {72, 96}));
  EXPECT_EQ(stream_of("goal=text"), text_stream("goal", 32));
}

TEST(CheckStreams, WrittenWronglyAreErrors) {
  for (const char* words : {"wrench", "=vector", "wrench=vector:6:float32:N"}) {
    EXPECT_THAT(error_of(words), AllOf(HasSubstr(std::string("--stream ") + words),
                                       HasSubstr("NAME=KIND[:SHAPE[:DTYPE]]")));
  }
  EXPECT_THAT(error_of("wrench=vectr:6"),
              AllOf(HasSubstr("streams.wrench.kind"), HasSubstr("rgb, depth, vector, text")));
  EXPECT_THAT(error_of("wrench=vector:six"), HasSubstr("streams.wrench.shape"));
  EXPECT_THAT(error_of("wrench=vector:0"), HasSubstr("streams.wrench.shape"));
  EXPECT_THAT(error_of("wrench=vector:6x2"),
              AllOf(HasSubstr("streams.wrench.shape"), HasSubstr("one number")));
  EXPECT_THAT(error_of("side=rgb:48x64x4"),
              AllOf(HasSubstr("streams.side.shape"), HasSubstr("height and width")));
  EXPECT_THAT(error_of("range=depth:48x64:uint8"),
              AllOf(HasSubstr("streams.range.dtype"), HasSubstr("float32 or uint16")));
  EXPECT_THAT(error_of("wrench=vector:6:uint16"), HasSubstr("float32"));
}

TEST(CheckStreams, AreTakenOutOfTheOptions) {
  ConfigNode options = parse_yaml(
      "width: 3\n"
      "streams:\n"
      "  wrench: {kind: vector, shape: [2], unit: N, element_names: [x, y]}\n"
      "  range: {kind: depth, dtype: uint16}\n",
      "options.yaml");
  Schema schema;
  schema.integer("width", 1, "width");
  EXPECT_THAT(take_streams(options, schema),
              ElementsAre(vector_stream("wrench", 2, "N", {"x", "y"}),
                          depth_stream("range", {72, 96}, at::kUInt16, "mm")));
  EXPECT_EQ(options, parse_yaml("width: 3", "options.yaml"));
  EXPECT_THAT(take_streams(options, schema), IsEmpty());
}

TEST(CheckStreams, StayWithAComponentThatHasThisOption) {
  ConfigNode options = parse_yaml("streams: [front, state]", "options.yaml");
  const ConfigNode before = options;
  Schema schema;
  schema.texts("streams", {}, "streams that the component reads");
  EXPECT_THAT(take_streams(options, schema), IsEmpty());
  EXPECT_EQ(options, before);
}

TEST(CheckStreams, WrittenWronglyInAFileAreErrorsWithTheirPlace) {
  const auto error = [](const std::string& yaml) {
    return error_text([&] {
      ConfigNode options = parse_yaml(yaml, "options.yaml");
      take_streams(options, Schema());
    });
  };
  EXPECT_THAT(error("streams: [front]"), HasSubstr("options.yaml:1:1: `streams` is not a table"));
  EXPECT_THAT(error("streams:\n  wrench: {knd: vector}"),
              AllOf(HasSubstr("options.yaml:2:12"), HasSubstr("did you mean 'kind'?")));
}

}  // namespace
}  // namespace roboimi::app
