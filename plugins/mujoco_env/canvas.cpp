#include "plugins/mujoco_env/canvas.h"

#include <algorithm>
#include <atomic>
#include <list>
#include <mutex>
#include <vector>

#include "plugins/mujoco_env/simulator_call.h"
#include "roboimi/common/hash.h"

namespace roboimi::mujoco_env {
namespace {

constexpr int kMaxGeoms = 500;
constexpr std::size_t kMostCanvases = 2;  // of a thread

std::atomic<int> num_created = 0;

// mjr_makeContext loads OpenGL's functions into global variables, so calls must not overlap.
std::mutex& loading_mutex() {
  static std::mutex mutex;
  return mutex;
}

struct CachedCanvas {
  CachedCanvas(std::string of, GlBackend by, const mjModel* model)
      : identity(std::move(of)), backend(by), canvas(model, by) {}

  std::string identity;
  GlBackend backend;
  Canvas canvas;
};

}  // namespace

Canvas::Canvas(const mjModel* model, GlBackend backend) : gl_(make_gl_context(backend)) {
  const GlContext::Current current(*gl_);
  const std::lock_guard<std::mutex> lock(loading_mutex());
  mjv_defaultOption(&visual);
  mjv_defaultScene(&geometry);
  mjr_defaultContext(&context);
  simulator_call([&] {
    mjr_makeContext(model, &context, mjFONTSCALE_50);
    mjr_setBuffer(mjFB_OFFSCREEN, &context);
    mjv_makeScene(model, &geometry, kMaxGeoms);
  });
  geometry.flags[mjRND_REFLECTION] = 0;
  renderer_name_ = describe(*gl_);
  ++num_created;
}

Canvas::~Canvas() {
  const GlContext::Current current(*gl_);
  mjr_freeContext(&context);
  mjv_freeScene(&geometry);
}

void Canvas::enlarge(int width, int height) {
  width = std::max(width, context.offWidth);
  height = std::max(height, context.offHeight);
  if (width == context.offWidth && height == context.offHeight) return;
  simulator_call([&] { mjr_resizeOffscreen(width, height, &context); });
}

std::string identity_of(const mjModel* model) {
  std::vector<char> bytes(static_cast<std::size_t>(mj_sizeModel(model)));
  simulator_call(
      [&] { mj_saveModel(model, nullptr, bytes.data(), static_cast<mjtSize>(bytes.size())); });
  return Sha256().update(bytes.data(), bytes.size()).hex();
}

Canvas& thread_canvas(const mjModel* model, const std::string& identity, GlBackend backend) {
  thread_local std::list<CachedCanvas> cache;  // the last used first
  const auto found = std::ranges::find_if(cache, [&](const CachedCanvas& cached) {
    return cached.identity == identity && cached.backend == backend;
  });
  if (found != cache.end()) {
    cache.splice(cache.begin(), cache, found);
  } else {
    cache.emplace_front(identity, backend, model);
    if (cache.size() > kMostCanvases) cache.pop_back();
  }
  return cache.front().canvas;
}

int num_canvases_created() { return num_created; }

}  // namespace roboimi::mujoco_env
