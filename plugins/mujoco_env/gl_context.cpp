#include "plugins/mujoco_env/gl_context.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"

namespace roboimi::mujoco_env {
namespace {

constexpr const char* kEglDevice = "EGL device";

// One method to create a context.
struct ContextFactory {
  std::string name;
  GlBackend backend;
  std::function<std::unique_ptr<GlContext>()> make;
};

const std::vector<ContextFactory>& context_factories() {
  static const std::vector<ContextFactory> all = {
      {kEglDevice, GlBackend::kEgl, [] { return make_egl_context(true); }},
      {"EGL surfaceless", GlBackend::kEgl, [] { return make_egl_context(false); }},
      {"OSMesa", GlBackend::kOsMesa, make_osmesa_context}};
  return all;
}

// The method that this process renders with, set by the first success.
struct Chosen {
  std::mutex mutex;
  const ContextFactory* factory = nullptr;
};

Chosen& chosen() {
  static Chosen instance;
  return instance;
}

// A device that MUJOCO_EGL_DEVICE_ID names is used or reported, not replaced by another method.
bool allows(GlBackend backend, const ContextFactory& factory) {
  const char* device = std::getenv("MUJOCO_EGL_DEVICE_ID");
  const bool is_chosen = device != nullptr && *device != '\0' && backend != GlBackend::kOsMesa;
  if (is_chosen && factory.name != kEglDevice) return false;
  return backend == GlBackend::kAuto || backend == factory.backend;
}

GlBackend parse_backend(const std::string& name, const std::string& where) {
  if (name == "auto" || name.empty()) return GlBackend::kAuto;
  if (name == "egl") return GlBackend::kEgl;
  if (name == "osmesa") return GlBackend::kOsMesa;
  throw Error({.what = "off-screen rendering does not support this OpenGL backend",
               .where = where,
               .expected = "egl or osmesa",
               .found = name,
               .next = where == "MUJOCO_GL"
                           ? "unset it, or override it with env.gl=egl or env.gl=osmesa"
                           : "env.gl=auto tries both"});
}

}  // namespace

GlContext::~GlContext() = default;

GlContext::Current::Current(GlContext& context) : context_(context) { context_.acquire(); }
GlContext::Current::~Current() { context_.release(); }

GlBackend choose_gl_backend(const std::string& option) {
  const GlBackend backend = parse_backend(option, "env.gl");
  if (backend != GlBackend::kAuto) return backend;
  const char* variable = std::getenv("MUJOCO_GL");
  return parse_backend(variable == nullptr ? "" : variable, "MUJOCO_GL");
}

std::unique_ptr<GlContext> make_gl_context(GlBackend backend) {
  // All contexts of a process use the method that worked first.
  Chosen& process = chosen();
  const std::lock_guard<std::mutex> lock(process.mutex);
  if (process.factory != nullptr) {
    if (allows(backend, *process.factory)) return process.factory->make();
    throw Error({.what = "this process already renders with another OpenGL backend",
                 .where = "mujoco_env",
                 .expected = process.factory->name,
                 .found = backend == GlBackend::kEgl ? "egl" : "osmesa",
                 .next = "use one value of env.gl for all environments"});
  }

  // Tries the methods in order.
  std::string failures;
  for (const ContextFactory& factory : context_factories()) {
    if (!allows(backend, factory)) continue;
    try {
      std::unique_ptr<GlContext> context = factory.make();
      process.factory = &factory;
      if (!failures.empty()) {
        logger().info("mujoco_env: rendering with {}, because others do not work: {}",
                      context->name(), failures);
      }
      return context;
    } catch (const Error& error) {
      failures += fmt::format("{}{}: {}", failures.empty() ? "" : "; ", factory.name, error.what());
    }
  }
  throw Error({.what = "no OpenGL backend works for rendering",
               .where = "mujoco_env",
               .expected = "EGL or OSMesa",
               .found = failures,
               .next = "install libegl1 with libgl1-mesa-dri, or libosmesa6"});
}

std::string describe(const GlContext& context) {
  constexpr unsigned kRenderer = 0x1F01;  // GL_RENDERER
  using GetString = const unsigned char* (*)(unsigned);
  const auto get_string = reinterpret_cast<GetString>(context.function("glGetString"));
  const auto* bytes = get_string == nullptr ? nullptr : get_string(kRenderer);
  if (bytes == nullptr) return context.name();
  const std::string renderer = reinterpret_cast<const char*>(bytes);
  const bool is_software = std::ranges::any_of(
      std::initializer_list<const char*>{"llvmpipe", "softpipe", "swrast", "Software Rasterizer"},
      [&](const char* name) { return renderer.find(name) != renderer.npos; });
  return fmt::format("{}: {}{}", context.name(), renderer, is_software ? " (software)" : "");
}

GlLibrary::GlLibrary(std::initializer_list<const char*> names) {
  std::string reason;
  for (const char* name : names) {
    handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) {
      name_ = name;
      return;
    }
    if (reason.empty()) reason = dlerror();
  }
  throw Error(reason);
}

GlLibrary::~GlLibrary() { dlclose(handle_); }

void* GlLibrary::find(const char* name) const {
  void* symbol = dlsym(handle_, name);
  if (symbol == nullptr) throw Error(fmt::format("{} lacks {}", name_, name));
  return symbol;
}

void GlLibrary::keep() const { dlopen(name_.c_str(), RTLD_NOW | RTLD_GLOBAL); }

}  // namespace roboimi::mujoco_env
