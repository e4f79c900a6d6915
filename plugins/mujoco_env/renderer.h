// Pictures of a scene's cameras, drawn off-screen.
//
//   Renderer renderer(model, {.gl = "auto"});
//   at::Tensor image = renderer.draw(data.get(), "front", {256, 256});   // uint8 [256, 256, 3]
//
// The OpenGL context is made by the first picture. Different renderers may draw at the same time
// from different threads.
#pragma once

#include <ATen/core/Tensor.h>
#include <mujoco/mujoco.h>

#include <array>
#include <memory>
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
  ~Renderer();

  // RGB, uint8 [height, width, 3]. `data` must be up to date (mj_forward, or positions alone).
  at::Tensor draw(const mjData* data, const std::string& camera, ImageSize size);

  // Distances along the camera's viewing direction in meters, float32 [height, width]. What lies
  // beyond the far clipping plane has the distance of that plane.
  at::Tensor draw_depth(const mjData* data, const std::string& camera, ImageSize size);

  // The renderer at work, "EGL device" for one; empty before the first picture.
  std::string backend_name() const;

 private:
  struct Canvas;
  Canvas& canvas(ImageSize size);
  void draw_pixels(const mjData* data, const std::string& camera, ImageSize size,
                   unsigned char* rgb, float* depth);

  const mjModel* const model_;
  const RendererOptions options_;
  std::unique_ptr<Canvas> canvas_;
  std::vector<unsigned char> pixels_;  // as OpenGL gives them, the lowest row first
};

// The camera's number. Error naming the cameras there are.
int find_camera(const mjModel* model, const std::string& name);

// Where a world point (metres) falls in a picture of `size`: x to the right and y downwards from
// the upper left corner, pixel (i, j) covering [i, i+1) x [j, j+1). Empty when not before the
// camera.
std::optional<std::array<double, 2>> project_point(const mjModel* model, const mjData* data,
                                                   int camera, ImageSize size,
                                                   const std::array<double, 3>& point);

}  // namespace roboimi::mujoco_env
