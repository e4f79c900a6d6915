#include "plugins/mujoco_env/renderer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "plugins/mujoco_env/canvas.h"
#include "plugins/mujoco_env/simulator_call.h"
#include "roboimi/common/error.h"

namespace roboimi::mujoco_env {
namespace {

constexpr std::int64_t kLargestSide = 4096;  // pixels

void check_size(ImageSize size) {
  const bool fits = size.height > 0 && size.width > 0 && size.height <= kLargestSide &&
                    size.width <= kLargestSide;
  if (fits) return;
  throw Error({.what = "invalid image size",
               .where = "mujoco_env",
               .expected = fmt::format("1 to {} pixels", kLargestSide),
               .found = fmt::format("{} x {}", size.height, size.width)});
}

}  // namespace

Renderer::Renderer(const mjModel* model, RendererOptions options)
    : model_(model), options_(std::move(options)) {}

// Renders into `rgb` and `depth`; either may be nullptr. Rows are in OpenGL's order, bottom row
// first.
void Renderer::draw_pixels(const mjData* data, const std::string& camera, ImageSize size,
                           unsigned char* rgb, float* depth) {
  const int camera_id = find_camera(model_, camera);
  if (identity_.empty()) identity_ = identity_of(model_);
  Canvas& on = thread_canvas(model_, identity_, choose_gl_backend(options_.gl));
  renderer_name_ = on.renderer_name();
  mjvCamera view;
  mjv_defaultCamera(&view);
  view.type = mjCAMERA_FIXED;
  view.fixedcamid = camera_id;
  const GlContext::Current current(on.gl());
  on.enlarge(static_cast<int>(size.width), static_cast<int>(size.height));
  on.geometry.flags[mjRND_SHADOW] = options_.shadows;
  // MuJoCo takes mutable data, but writes only to its scratch stack.
  const mjrRect viewport = {0, 0, static_cast<int>(size.width), static_cast<int>(size.height)};
  simulator_call([&] {
    mjv_updateScene(model_, const_cast<mjData*>(data), &on.visual, nullptr, &view, mjCAT_ALL,
                    &on.geometry);
    mjr_render(viewport, &on.geometry, &on.context);
    mjr_readPixels(rgb, depth, viewport, &on.context);
  });
}

at::Tensor Renderer::draw(const mjData* data, const std::string& camera, ImageSize size) {
  check_size(size);
  const std::int64_t row_bytes = 3 * size.width;
  pixels_.resize(static_cast<std::size_t>(size.height * row_bytes));
  draw_pixels(data, camera, size, pixels_.data(), nullptr);
  at::Tensor image = at::empty({size.height, size.width, 3}, at::kByte);
  std::uint8_t* target = image.data_ptr<std::uint8_t>();
  for (std::int64_t row = 0; row < size.height; ++row) {
    const unsigned char* source = pixels_.data() + (size.height - 1 - row) * row_bytes;
    std::memcpy(target + row * row_bytes, source, static_cast<std::size_t>(row_bytes));
  }
  return image;
}

at::Tensor Renderer::draw_depth(const mjData* data, const std::string& camera, ImageSize size) {
  check_size(size);
  const at::Tensor buffer = at::empty({size.height, size.width});
  draw_pixels(data, camera, size, nullptr, buffer.data_ptr<float>());
  // The depth buffer holds 0 at the near plane and 1 at the far one, and is linear in 1 / distance.
  const double extent = model_->stat.extent;
  const double nearest = model_->vis.map.znear * extent, farthest = model_->vis.map.zfar * extent;
  return (nearest / (1.0 - buffer.flip(0).to(at::kDouble) * (1.0 - nearest / farthest)))
      .to(at::kFloat);
}

int find_camera(const mjModel* model, const std::string& name) {
  const int id = mj_name2id(model, mjOBJ_CAMERA, name.c_str());
  if (id >= 0) return id;
  std::string names;
  for (int i = 0; i < model->ncam; ++i) {
    names += fmt::format("{}{}", i > 0 ? ", " : "", mj_id2name(model, mjOBJ_CAMERA, i));
  }
  throw Error({.what = fmt::format("the scene has no camera '{}'", name),
               .where = "mujoco_env",
               .expected = fmt::format("one of {}", names),
               .found = name});
}

std::optional<std::array<double, 2>> project_point(const mjModel* model, const mjData* data,
                                                   int camera, ImageSize size,
                                                   const std::array<double, 3>& point) {
  // In the camera frame, x points right and y up, and the camera looks along -z.
  double offset[3], seen[3];
  mju_sub3(offset, point.data(), data->cam_xpos + 3 * camera);
  mju_mulMatTVec3(seen, data->cam_xmat + 9 * camera, offset);
  const double depth = -seen[2];
  if (depth <= 0.0) return std::nullopt;
  const double field_of_view = model->cam_fovy[camera] * std::numbers::pi / 180.0;
  const double focal = 0.5 * static_cast<double>(size.height) / std::tan(0.5 * field_of_view);
  return std::array<double, 2>{0.5 * static_cast<double>(size.width) + focal * seen[0] / depth,
                               0.5 * static_cast<double>(size.height) - focal * seen[1] / depth};
}

}  // namespace roboimi::mujoco_env
