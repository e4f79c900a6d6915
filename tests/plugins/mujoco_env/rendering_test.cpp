// Rendered images.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>
#include <thread>

#include "plugins/mujoco_env/canvas.h"
#include "plugins/mujoco_env/mujoco_env.h"
#include "plugins/mujoco_env/transfer_task.h"
#include "roboimi/common/error.h"
#include "tests/plugins/mujoco_env/transfer_scene.h"

namespace roboimi::mujoco_env {
namespace {

constexpr ImageSize kSize = {256, 256};

// Pixels of the box, the only red object in the scene: bool [H, W].
at::Tensor red_pixels(const at::Tensor& image) {
  const at::Tensor colors = image.to(at::kInt);
  const at::Tensor red = colors.select(2, 0);
  const at::Tensor others = at::maximum(colors.select(2, 1), colors.select(2, 2));
  return (red > 50).logical_and(red > 2 * others);
}

// The number of columns with a red pixel.
std::int64_t red_columns(const at::Tensor& image) {
  return red_pixels(image).any(0).sum().item<std::int64_t>();
}

// The corners, edge midpoints and center of the box's range, each with the extreme and the middle
// yaw.
std::vector<BoxPlacement> extreme_placements() {
  const PlacementRange range;
  std::vector<BoxPlacement> all;
  for (const double x : {range.x_low, 0.5 * (range.x_low + range.x_high), range.x_high}) {
    for (const double y : {range.y_low, 0.0, range.y_high}) {
      for (const double yaw : {-range.largest_yaw, 0.0, range.largest_yaw}) {
        all.push_back({x, y, yaw});
      }
    }
  }
  return all;
}

TEST(Rendering, TheBoxIsAtLeastSixPixelsWideInTheFusedImageAtAnyStart) {
  TransferScene scene;
  Renderer renderer(scene.world.model.get(), {});
  for (const BoxPlacement& placement : extreme_placements()) {
    scene.start(placement);
    std::vector<at::Tensor> views;
    for (const char* camera : {"front", "top", "r_vis"}) {
      const at::Tensor view = renderer.draw(scene.data.get(), camera, kSize);
      // Three views side by side, resized to 224 pixels.
      const double width = red_columns(view) * 224.0 / (3.0 * 256.0);
      EXPECT_GE(width, 6.0) << camera << " x " << placement.x << " y " << placement.y;
      // The box is not cut off by the image border.
      const at::Tensor red = red_pixels(view);
      EXPECT_FALSE(red.select(0, 0).any().item<bool>() || red.select(0, 255).any().item<bool>() ||
                   red.select(1, 0).any().item<bool>() || red.select(1, 255).any().item<bool>())
          << camera;
    }
  }
}

TEST(Rendering, ProjectedCornersBoundTheBoxInTheImage) {
  MujocoEnv environment({});
  const Observation seen = environment.reset(11, true);
  const mjData* data = environment.data();
  const int body = mj_name2id(environment.world().model.get(), mjOBJ_BODY, "box");
  for (const auto& [camera, view] : seen.images()) {
    double low[2] = {1e9, 1e9}, high[2] = {-1e9, -1e9};
    for (int corner = 0; corner < 8; ++corner) {
      const double local[3] = {corner & 1 ? kBoxHalfSize : -kBoxHalfSize,
                               corner & 2 ? kBoxHalfSize : -kBoxHalfSize,
                               corner & 4 ? kBoxHalfSize : -kBoxHalfSize};
      std::array<double, 3> point;
      mju_mulMatVec3(point.data(), data->xmat + 9 * body, local);
      for (int axis = 0; axis < 3; ++axis) point[axis] += data->xpos[3 * body + axis];
      const auto pixel = environment.project(camera, kSize, point);
      ASSERT_TRUE(pixel.has_value());
      for (int axis = 0; axis < 2; ++axis) {
        low[axis] = std::min(low[axis], (*pixel)[axis]);
        high[axis] = std::max(high[axis], (*pixel)[axis]);
      }
    }
    const at::Tensor where = red_pixels(view).nonzero().to(at::kDouble);  // [N, (row, column)]
    ASSERT_GT(where.size(0), 0) << camera;
    for (int axis = 0; axis < 2; ++axis) {
      const at::Tensor along = where.select(1, 1 - axis);
      EXPECT_NEAR(along.min().item<double>(), low[axis], 1.5) << camera << " axis " << axis;
      EXPECT_NEAR(along.max().item<double>() + 1.0, high[axis], 1.5) << camera << " axis " << axis;
    }
  }
}

// The distance along the viewing direction to the first hit of a ray through the pixel's center.
double depth_by_ray(const MujocoEnv& environment, int camera, std::int64_t row, std::int64_t column,
                    ImageSize size) {
  const mjModel* model = environment.world().model.get();
  const mjData* data = environment.data();
  const double field_of_view = model->cam_fovy[camera] * std::numbers::pi / 180.0;
  const double focal = 0.5 * static_cast<double>(size.height) / std::tan(0.5 * field_of_view);
  const double seen[3] = {
      (static_cast<double>(column) + 0.5 - 0.5 * static_cast<double>(size.width)) / focal,
      -(static_cast<double>(row) + 0.5 - 0.5 * static_cast<double>(size.height)) / focal, -1.0};
  double ray[3];
  mju_mulMatVec3(ray, data->cam_xmat + 9 * camera, seen);
  const mjtByte drawn[6] = {1, 1, 1, 0, 0, 0};  // the geom groups that are rendered
  int geom = -1;
  return mj_ray(model, data, data->cam_xpos + 3 * camera, ray, drawn, 1, -1, &geom, nullptr);
}

TEST(Rendering, DepthMatchesTheDistanceFromRayCasting) {
  constexpr ImageSize kSmall{48, 64};
  MujocoEnv environment({.camera_names = {"front"},
                         .depth_camera_names = {"front", "top"},
                         .image_height = kSmall.height,
                         .image_width = kSmall.width});
  EXPECT_EQ(environment.spec().at("top_depth"), depth_stream("top_depth", kSmall));
  const Observation seen = environment.reset(5, true);
  EXPECT_FALSE(environment.observe(false).contains("top_depth")) << "rendered without a request";
  for (const char* camera : {"front", "top"}) {
    const at::Tensor depth = seen.at(std::string(camera) + "_depth");
    ASSERT_EQ(depth.scalar_type(), at::kFloat);
    ASSERT_EQ(depth.sizes(), (std::vector<std::int64_t>{kSmall.height, kSmall.width}));
    const int id = mj_name2id(environment.world().model.get(), mjOBJ_CAMERA, camera);
    int compared = 0, equal = 0;
    for (std::int64_t row = 0; row < kSmall.height; row += 3) {
      for (std::int64_t column = 0; column < kSmall.width; column += 3) {
        const double expected = depth_by_ray(environment, id, row, column, kSmall);
        if (expected < 0.0) continue;  // no hit
        ++compared;
        equal += std::abs(depth[row][column].item<double>() - expected) < 0.005 * expected ? 1 : 0;
      }
    }
    ASSERT_GT(compared, 100) << camera;
    // A ray and a pixel may differ at object outlines.
    EXPECT_GT(equal, 0.97 * compared) << camera << ": " << equal << " of " << compared;
  }
}

TEST(Rendering, APointBehindTheCameraHasNoPixel) {
  MujocoEnv environment({});
  environment.reset(0, false);
  EXPECT_FALSE(environment.project("top", kSize, {0.0, 0.0, 5.0}).has_value());
}

TEST(Rendering, RendersOnlyConfiguredCamerasAndOnlyOnRequest) {
  MujocoEnv environment({.camera_names = {"top"}, .image_height = 96, .image_width = 128});
  EXPECT_TRUE(environment.reset(0, false).images().empty());
  EXPECT_EQ(environment.renderer_name(), "");
  const Observation seen = environment.reset(0, true);
  ASSERT_EQ(seen.images().size(), 1u);
  EXPECT_EQ(seen.at("top").sizes(), (std::vector<std::int64_t>{96, 128, 3}));
  EXPECT_EQ(seen.at("top").scalar_type(), at::kByte);
  EXPECT_NE(environment.renderer_name(), "");
}

TEST(Rendering, AnEpisodeIsTheSameWithAndWithoutImages) {
  MujocoEnv with({}), without({});
  with.reset(4, true);
  without.reset(4, false);
  const std::unique_ptr<Expert> expert = with.make_expert(0.0, 0);
  for (int step = 0; step < 60; ++step) {
    const at::Tensor action = expert->act();
    const Observation seen = with.step(action, step % 20 == 0).observation;
    const Observation blind = without.step(action, false).observation;
    ASSERT_TRUE(at::equal(seen.state(), blind.state()) &&
                at::equal(seen.env_state(), blind.env_state()));
  }
}

TEST(Rendering, RendersImagesLargerThanAnyBefore) {
  MujocoEnv environment({});
  environment.reset(0, true);
  const at::Tensor small = environment.render("front", {256, 256});
  const at::Tensor large = environment.render("front", {1024, 1024});
  EXPECT_EQ(large.size(0), 1024);
  EXPECT_NEAR(red_columns(large) / 4.0, red_columns(small), 1.5);
  EXPECT_TRUE(at::equal(environment.render("front", {256, 256}), small));
  EXPECT_THROW(environment.render("front", {0, 10}), Error);
}

TEST(Rendering, WorksInSeveralThreadsAtOnce) {
  constexpr int kThreads = 3;
  std::vector<at::Tensor> alone, together(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    MujocoEnv environment({});
    alone.push_back(environment.reset(i, true).at("front"));
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&together, i] {
      MujocoEnv environment({});
      for (int repeat = 0; repeat < 5; ++repeat) {
        together[i] = environment.reset(i, true).at("front");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kThreads; ++i) EXPECT_TRUE(at::equal(together[i], alone[i])) << i;
}

TEST(Rendering, AnEnvironmentMayMoveToAnotherThread) {
  MujocoEnv environment({});
  const at::Tensor here = environment.reset(2, true).at("top");
  at::Tensor there;
  std::thread([&] { there = environment.observe(true).at("top"); }).join();
  EXPECT_TRUE(at::equal(here, there));
}

TEST(Rendering, EnvironmentsOfAThreadShareItsOpenGlObjects) {
  std::thread([] {
    const int before = num_canvases_created();
    std::vector<at::Tensor> alone;
    std::vector<std::unique_ptr<MujocoEnv>> environments;
    for (int i = 0; i < 3; ++i) {
      environments.push_back(std::make_unique<MujocoEnv>(MujocoEnvOptions{}));
      alone.push_back(environments.back()->reset(i, true).at("front"));
    }
    EXPECT_EQ(num_canvases_created(), before + 1);
    // In turns, and after a larger image with shadows.
    MujocoEnv shaded({.render_shadows = true});
    shaded.reset(0, false);
    EXPECT_FALSE(at::equal(shaded.render("front", kSize), alone[0]));
    shaded.render("front", {600, 800});
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(at::equal(environments[i]->observe(true).at("front"), alone[i])) << i;
    }
    EXPECT_EQ(num_canvases_created(), before + 1);
    // On another thread.
    at::Tensor there;
    std::thread([&] { there = environments[1]->observe(true).at("front"); }).join();
    EXPECT_TRUE(at::equal(there, alone[1]));
    EXPECT_EQ(num_canvases_created(), before + 2);
  }).join();
}

TEST(Rendering, AnotherSceneHasItsOwnOpenGlObjects) {
  TransferScene usual, narrow;
  narrow.world.model->cam_fovy[0] *= 0.5F;
  narrow.world.model->geom_rgba[0] = 0.25F;
  EXPECT_NE(identity_of(narrow.world.model.get()), identity_of(usual.world.model.get()));
  EXPECT_EQ(identity_of(TransferScene().world.model.get()), identity_of(usual.world.model.get()));
}

}  // namespace
}  // namespace roboimi::mujoco_env
