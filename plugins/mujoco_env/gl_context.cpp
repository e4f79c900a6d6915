#include "plugins/mujoco_env/gl_context.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <functional>
#include <mutex>
#include <vector>

#include "roboimi/common/error.h"

namespace roboimi::mujoco_env {
namespace {

// One method to create a context.
struct ContextFactory {
  std::string name;
  GlBackend backend;
  std::function<std::unique_ptr<GlContext>()> make;
};

const std::vector<ContextFactory>& context_factories() {
  static const std::vector<ContextFactory> all = {
      {"EGL device", GlBackend::kEgl, [] { return make_egl_context(true); }},
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

bool allows(GlBackend backend, const ContextFactory& factory) {
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
