// The OpenGL objects with which a thread renders the images of a scene.
//
//   Canvas& canvas = thread_canvas(model, identity_of(model), GlBackend::kAuto);
//   const GlContext::Current current(canvas.gl());
//   mjr_render(viewport, &canvas.geometry, &canvas.context);
//
// Each thread has its own, which all environments of the same scene share: creating them takes
// longer than rendering dozens of images, and MuJoCo cannot do it on several threads at once.
#pragma once

#include <mujoco/mujoco.h>

#include <memory>
#include <string>

#include "plugins/mujoco_env/gl_context.h"

namespace roboimi::mujoco_env {

class Canvas {
 public:
  Canvas(const mjModel* model, GlBackend backend);
  ~Canvas();
  Canvas(const Canvas&) = delete;
  Canvas& operator=(const Canvas&) = delete;

  GlContext& gl() { return *gl_; }
  // See describe() in gl_context.h.
  const std::string& renderer_name() const { return renderer_name_; }
  // Enlarges the off-screen buffer to at least this size, in pixels. The context must be current.
  void enlarge(int width, int height);

  mjvOption visual;
  mjvScene geometry;
  mjrContext context;

 private:
  const std::unique_ptr<GlContext> gl_;
  std::string renderer_name_;
};

// A hash of everything in the model: equal models have equal ones.
std::string identity_of(const mjModel* model);

// This thread's canvas for models with this identity, created if there is none. The reference is
// valid until the thread's next call. A thread keeps at most two canvases until it ends.
Canvas& thread_canvas(const mjModel* model, const std::string& identity, GlBackend backend);

// How many canvases the process has created.
int num_canvases_created();

}  // namespace roboimi::mujoco_env
