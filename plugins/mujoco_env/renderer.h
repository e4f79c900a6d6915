// An off-screen renderer of a scene's cameras.
//
//   Renderer renderer(model, {.gl = "auto"});
//   at::Tensor image = renderer.draw(data.get(), "front", {256, 256});   // uint8 [256, 256, 3]
//
// A thread creates its OpenGL objects with its first image, and reuses them for all renderers of
// equal models (canvas.h). Different renderers may be used from different threads at the same time,
// and a renderer by one thread after another.
#pragma once

#include <ATen/core/Tensor.h>
#include <mujoco/mujoco.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "plugins/mujoco_env/gl_context.h"
#include "roboimi/contract/observation.h"

namespace roboimi::mujoco_env {

struct RendererOptions {
  std::string gl = "auto";  // see choose_gl_backend()
  bool shadows = false;
};

class Renderer {
 public:
  // `model` must outlive the renderer.
  Renderer(const mjModel* model, RendererOptions options);

  // RGB, uint8 [height, width, 3]. `data` must be up to date (mj_forward, or positions alone).
  at::Tensor draw(const mjData* data, const std::string& camera, ImageSize size);

  // Distances along the camera's viewing direction in meters, float32 [height, width], limited to
  // the distance of the far clipping plane.
  at::Tensor draw_depth(const mjData* data, const std::string& camera, ImageSize size);

  // What renders, see describe() in gl_context.h; empty before the first image.
  const std::string& renderer_name() const { return renderer_name_; }

 private:
  void draw_pixels(const mjData* data, const std::string& camera, ImageSize size,
                   unsigned char* rgb, float* depth);

  const mjModel* const model_;
  const RendererOptions options_;
  std::string identity_;  // of the model; empty before the first image
  std::string renderer_name_;
  std::vector<unsigned char> pixels_;  // in OpenGL's order, bottom row first
};

// The camera's id. An Error lists the existing cameras.
int find_camera(const mjModel* model, const std::string& name);

// Projects a world point (meters) into an image of `size`: x to the right and y down from the upper
// left corner; pixel (i, j) covers [i, i+1) x [j, j+1). Empty if the point is not in front of the
// camera.
std::optional<std::array<double, 2>> project_point(const mjModel* model, const mjData* data,
                                                   int camera, ImageSize size,
                                                   const std::array<double, 3>& point);

}  // namespace roboimi::mujoco_env
