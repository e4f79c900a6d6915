// Tests of streams: the spec, shorthands, strings and depth.
#include "roboimi/contract/observation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ObservationSpec full_spec() {
  return {.streams = {rgb_stream("front", {4, 6}), depth_stream("front_depth", {4, 6}),
                      vector_stream(kState, 3, "rad", {"hip", "knee", "ankle"}),
                      vector_stream("force", 6, "N"), text_stream("task", 16)},
          .action_dim = 2,
          .control_hz = 20.0};
}

TEST(ObservationSpec, FindsNamesAndSizesOfItsStreams) {
  ObservationSpec spec = full_spec();
  EXPECT_THAT(spec.names(), ElementsAre("front", "front_depth", "state", "force", "task"));
  EXPECT_THAT(spec.camera_names(), ElementsAre("front"));
  EXPECT_EQ(spec.image_size("front_depth"), (ImageSize{4, 6}));
  EXPECT_EQ(spec.state_dim(), 3);
  EXPECT_EQ(spec.env_state_dim(), 0);
  spec.set(vector_stream(kState, 5));
  EXPECT_EQ(spec.state_dim(), 5);
  EXPECT_EQ(spec.streams.size(), 5u);
  EXPECT_EQ(spec.find("wrist"), nullptr);
  EXPECT_THAT(error_text([&] { spec.at("wrist"); }), HasSubstr("front, front_depth, state"));
  EXPECT_THAT(error_text([&] { spec.image_size("task"); }), HasSubstr("'task' is not an image"));
}

TEST(ObservationSpec, DescribesWhyAPolicyCannotActOnAnother) {
  const ObservationSpec policy = full_spec();
  const auto difference = [&](auto change) {
    ObservationSpec other = full_spec();
    change(other);
    return policy.difference(other);
  };
  EXPECT_EQ(difference([](ObservationSpec&) {}), "");
  EXPECT_EQ(difference([](ObservationSpec& s) { s.set(vector_stream(kState, 4)); }),
            "state_dim is 4 instead of 3");
  EXPECT_EQ(difference([](ObservationSpec& s) { s.action_dim = 7; }),
            "action_dim is 7 instead of 2");
  EXPECT_EQ(difference([](ObservationSpec& s) {
              s.set(rgb_stream("front", {4, 8}));
            }),
            "camera 'front' has 4x8 pixels instead of 4x6");
  EXPECT_EQ(difference([](ObservationSpec& s) {
              s.set(depth_stream("front_depth", {4, 6}, at::kUInt16));
            }),
            "camera 'front_depth' is depth UInt16 [4, 6] instead of depth Float [4, 6]");
  EXPECT_EQ(difference([](ObservationSpec& s) { s.set(vector_stream("force", 3)); }),
            "stream 'force' has [3] values instead of [6]");
  EXPECT_EQ(difference([](ObservationSpec& s) { s.streams.pop_back(); }),
            "stream 'task' is missing");
  // Units and names of elements are compared where both declare them.
  EXPECT_EQ(difference([](ObservationSpec& s) {
              s.set(depth_stream("front_depth", {4, 6}, at::kFloat, "mm"));
            }),
            "camera 'front_depth' is in mm instead of m");
  EXPECT_EQ(difference([](ObservationSpec& s) {
              s.set(depth_stream("front_depth", {4, 6}, at::kFloat, ""));
            }),
            "");
  ObservationSpec named = full_spec();
  named.set(vector_stream("force", 2, "N", {"left", "right"}));
  ObservationSpec swapped = named;
  swapped.set(vector_stream("force", 2, "N", {"right", "left"}));
  EXPECT_EQ(named.difference(swapped),
            "stream 'force' has the elements [right, left] instead of [left, right]");
  // Streams that a policy never uses may differ, and there may be additional streams.
  EXPECT_EQ(difference([](ObservationSpec& s) {
              s.set(vector_stream(kVelocity, 3));
              s.set(vector_stream(kEnvState, 9));
              s.set(rgb_stream("wrist", {2, 2}));
            }),
            "");
}

TEST(Observation, HoldsNamedTensors) {
  const Observation observation = {{"front", at::zeros({4, 6, 3}, at::kByte)},
                                   {"front_depth", at::zeros({4, 6})},
                                   {"state", at::ones({3})},
                                   {"task", text_tensor("lift", 16)}};
  EXPECT_EQ(observation.images().size(), 1u);
  EXPECT_TRUE(observation.images().contains("front"));
  EXPECT_EQ(observation.state().size(0), 3);
  EXPECT_FALSE(observation.env_state().defined());
  EXPECT_THAT(error_text([&] { observation.at("wrist"); }),
              HasSubstr("the observation has no stream 'wrist': found front, front_depth"));
  // The same for a batch.
  const Observation batch = {{"front", at::zeros({2, 1, 4, 6, 3}, at::kByte)},
                             {"task", at::zeros({2, 1, 16}, at::kByte)}};
  EXPECT_EQ(batch.images().size(), 1u);
}

TEST(Text, IsUtf8PaddedWithZeros) {
  const at::Tensor text = text_tensor("lève la boîte", 20);
  EXPECT_EQ(text.scalar_type(), at::kByte);
  EXPECT_THAT(text.sizes(), ElementsAre(20));
  EXPECT_EQ(text_of(text), "lève la boîte");
  EXPECT_EQ(text_of(text_tensor("", 4)), "");
  EXPECT_EQ(text_of(text_tensor("full", 4)), "full");
  EXPECT_THAT(error_text([] { text_tensor("too long", 4); }),
              HasSubstr("expected at most 4 bytes; found 8 bytes: 'too long'"));
}

TEST(Depth, IsConvertedToMeters) {
  const at::Tensor counts = at::tensor({0, 500, 1500}, at::kInt).to(at::kUInt16);
  const at::Tensor meters = depth_in_meters(counts, depth_stream("d", {1, 3}, at::kUInt16, "mm"));
  EXPECT_TRUE(at::allclose(meters, at::tensor({0.0F, 0.5F, 1.5F})));
  const at::Tensor given = at::tensor({0.25F});
  EXPECT_TRUE(at::equal(depth_in_meters(given, depth_stream("d", {1, 1})), given));
  EXPECT_THAT(error_text([&] {
                depth_in_meters(given, depth_stream("d", {1, 1}, at::kFloat, "ft"));
              }),
              HasSubstr("unknown unit"));
}

TEST(StreamKind, HasNames) {
  for (const StreamKind kind :
       {StreamKind::kRgb, StreamKind::kDepth, StreamKind::kVector, StreamKind::kText}) {
    EXPECT_EQ(stream_kind_from(to_string(kind)), kind);
  }
  EXPECT_THAT(error_text([] { stream_kind_from("lidar"); }), HasSubstr("unknown stream kind"));
}

}  // namespace
}  // namespace roboimi
