#include "roboimi/contract/backbone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/common/error.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

class TwoCameras : public Backbone {
 public:
  TwoCameras() { cameras_ = {"front", "top"}; }
  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::int64_t output_dim() const override { return 1; }
  bool frozen() const override { return true; }
  at::Tensor encode(const Observation& images, at::Generator&) override {
    std::vector<at::Tensor> means;
    for (const at::Tensor& image : ordered_images(images)) {
      means.push_back(image.to(at::kFloat).mean({2, 3, 4}));
    }
    return at::stack(means, 2);
  }

 private:
  std::vector<std::string> cameras_;
};

Observation two_images() {
  return {{"top", at::full({1, 2, 4, 4, 3}, 20, at::kByte)},
          {"front", at::full({1, 2, 4, 4, 3}, 10, at::kByte)},
          {"other", at::full({1, 2, 4, 4, 3}, 30, at::kByte)}};
}

std::string error_of(const Observation& images) {
  TwoCameras backbone;
  return error_text([&] { backbone.ordered_images(images); });
}

TEST(CameraNames, MustBeNonEmptyUniqueAndInTheSpec) {
  const ObservationSpec spec{.streams = {rgb_stream("top", {4, 4}), rgb_stream("front", {4, 4})}};
  const auto error = [&](const std::vector<std::string>& names) -> std::string {
    try {
      check_camera_names(names, spec, "my_backbone");
    } catch (const Error& found) {
      return found.what();
    }
    return "";
  };
  EXPECT_EQ(error({"front", "top"}), "");
  EXPECT_EQ(error({}),
            "my_backbone: camera_names must list at least one camera, without duplicates: found "
            "[]");
  EXPECT_THAT(error({"top", "top"}), HasSubstr("found [top, top]"));
  EXPECT_THAT(error({"top", "wrist"}),
              HasSubstr("my_backbone: camera 'wrist' is missing: expected top, wrist; found top, "
                        "front; add the cameras to data.camera_names"));
  // Without cameras in the data, no list of names helps.
  const ObservationSpec blind{.streams = {vector_stream(kState, 2)}};
  EXPECT_THAT(error_text([&] { check_camera_names({}, blind, "my_backbone"); }),
              HasSubstr("the data has no cameras, which this backbone needs: expected at least one "
                        "RGB stream; found state"));
}

TEST(OrderedImages, FollowTheBackbonesOrder) {
  TwoCameras backbone;
  const auto ordered = backbone.ordered_images(two_images());
  ASSERT_EQ(ordered.size(), 2u);
  EXPECT_EQ(ordered[0].flatten()[0].item<int>(), 10);
  EXPECT_EQ(ordered[1].flatten()[0].item<int>(), 20);
}

TEST(OrderedImages, NameTheMissingCamera) {
  Observation images = two_images();
  images.erase("front");
  EXPECT_THAT(error_of(images), HasSubstr("camera 'front' is missing"));
  EXPECT_THAT(error_of(images), HasSubstr("found other, top"));
}

TEST(OrderedImages, RefuseFloatsOtherRanksAndOtherBatchSizes) {
  Observation images = two_images();
  images["top"] = at::zeros({1, 2, 4, 4, 3});
  EXPECT_THAT(error_of(images), HasSubstr("images of camera 'top' have the wrong dtype or shape"));
  images = two_images();
  images["top"] = at::zeros({4, 4, 3}, at::kByte);
  EXPECT_THAT(error_of(images), HasSubstr("uint8 [B, T, H, W, 3]"));
  images = two_images();
  images["top"] = at::zeros({1, 3, 4, 4, 3}, at::kByte);
  EXPECT_THAT(error_of(images),
              HasSubstr("images of camera 'top' differ from the first camera's in batch size"));
}

}  // namespace
}  // namespace roboimi
