// OpenGL contexts through EGL: on a device (a GPU, or Mesa's software device), or without a
// surface.
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include "plugins/mujoco_env/egl_devices.h"
#include "plugins/mujoco_env/gl_context.h"
#include "roboimi/common/error.h"

namespace roboimi::mujoco_env {
namespace {

// From Mesa's eglext.h; older headers lack it.
constexpr EGLenum kPlatformSurfacelessMesa = 0x31DD;
constexpr int kMaxDevices = 16;

// libEGL's functions.
struct Egl {
  GlLibrary library{"libEGL.so.1", "libEGL.so"};
  decltype(&eglGetProcAddress) get_proc_address;
  decltype(&eglGetError) get_error;
  decltype(&eglInitialize) initialize;
  decltype(&eglBindAPI) bind_api;
  decltype(&eglChooseConfig) choose_config;
  decltype(&eglCreateContext) create_context;
  decltype(&eglDestroyContext) destroy_context;
  decltype(&eglMakeCurrent) make_current;
  decltype(&eglQueryString) query_string;

  Egl() {
    library.load("eglGetProcAddress", &get_proc_address);
    library.load("eglGetError", &get_error);
    library.load("eglInitialize", &initialize);
    library.load("eglBindAPI", &bind_api);
    library.load("eglChooseConfig", &choose_config);
    library.load("eglCreateContext", &create_context);
    library.load("eglDestroyContext", &destroy_context);
    library.load("eglMakeCurrent", &make_current);
    library.load("eglQueryString", &query_string);
  }

  template <typename Function>
  Function extension(const char* name) const {
    const auto function = reinterpret_cast<Function>(get_proc_address(name));
    if (function == nullptr) throw Error(fmt::format("EGL lacks {}", name));
    return function;
  }

  [[noreturn]] void fail(const char* call) const {
    throw Error(fmt::format("{} failed with EGL error {:#x}", call, get_error()));
  }
};

// A working display with a configuration for OpenGL. Kept for the lifetime of the process.
struct Screen {
  EGLDisplay display = EGL_NO_DISPLAY;
  EGLConfig config = nullptr;
  int device = -1;  // index of the EGL device; -1: none
};

// Empty when this display cannot hold an OpenGL context.
std::optional<Screen> try_screen(const Egl& egl, EGLDisplay display) {
  if (display == EGL_NO_DISPLAY) return std::nullopt;
  EGLint major = 0, minor = 0;
  if (!egl.initialize(display, &major, &minor)) return std::nullopt;
  if (!egl.bind_api(EGL_OPENGL_API)) return std::nullopt;
  const EGLint wanted[] = {EGL_RED_SIZE,
                           8,
                           EGL_GREEN_SIZE,
                           8,
                           EGL_BLUE_SIZE,
                           8,
                           EGL_ALPHA_SIZE,
                           8,
                           EGL_DEPTH_SIZE,
                           24,
                           EGL_STENCIL_SIZE,
                           8,
                           EGL_SURFACE_TYPE,
                           EGL_PBUFFER_BIT,
                           EGL_RENDERABLE_TYPE,
                           EGL_OPENGL_BIT,
                           EGL_NONE};
  Screen screen{.display = display};
  EGLint count = 0;
  if (!egl.choose_config(display, wanted, &screen.config, 1, &count) || count == 0) {
    return std::nullopt;
  }
  // A display may open but not support contexts, such as a GPU without its driver.
  EGLContext probe = egl.create_context(display, screen.config, EGL_NO_CONTEXT, nullptr);
  if (probe == EGL_NO_CONTEXT) return std::nullopt;
  egl.destroy_context(display, probe);
  return screen;
}

std::vector<EglDevice> query_devices(const Egl& egl) {
  const auto query =
      egl.extension<EGLBoolean (*)(EGLint, EGLDeviceEXT*, EGLint*)>("eglQueryDevicesEXT");
  std::array<EGLDeviceEXT, kMaxDevices> handles;
  EGLint count = 0;
  if (!query(kMaxDevices, handles.data(), &count)) egl.fail("eglQueryDevicesEXT");
  // The functions that describe a device are optional.
  const auto string_of = reinterpret_cast<const char* (*)(EGLDeviceEXT, EGLint)>(
      egl.get_proc_address("eglQueryDeviceStringEXT"));
  const auto attribute_of = reinterpret_cast<EGLBoolean (*)(EGLDeviceEXT, EGLint, EGLAttrib*)>(
      egl.get_proc_address("eglQueryDeviceAttribEXT"));
  std::vector<EglDevice> devices;
  for (EGLint i = 0; i < count; ++i) {
    EglDevice device{.handle = handles[static_cast<std::size_t>(i)]};
    const char* text = string_of ? string_of(device.handle, EGL_EXTENSIONS) : nullptr;
    const std::string extensions = text ? text : "";
    device.is_software = extensions.find("EGL_MESA_device_software") != std::string::npos;
    EGLAttrib ordinal = -1;
    if (attribute_of && extensions.find("EGL_NV_device_cuda") != std::string::npos &&
        attribute_of(device.handle, EGL_CUDA_DEVICE_NV, &ordinal)) {
      device.cuda_ordinal = static_cast<int>(ordinal);
    }
    devices.push_back(device);
  }
  return devices;
}

Screen open_device(const Egl& egl) {
  const auto get_display =
      egl.extension<EGLDisplay (*)(EGLenum, void*, const EGLint*)>("eglGetPlatformDisplayEXT");
  const std::vector<EglDevice> devices = query_devices(egl);
  for (const int i : devices_to_try(devices, std::getenv("MUJOCO_EGL_DEVICE_ID"))) {
    void* const handle = devices[static_cast<std::size_t>(i)].handle;
    auto screen = try_screen(egl, get_display(EGL_PLATFORM_DEVICE_EXT, handle, nullptr));
    if (!screen) continue;
    screen->device = i;
    return *screen;
  }
  throw Error(fmt::format("none of {} EGL devices gives an OpenGL context", devices.size()));
}

Screen open_surfaceless(const Egl& egl) {
  const char* extensions = egl.query_string(EGL_NO_DISPLAY, EGL_EXTENSIONS);
  if (extensions == nullptr || !std::strstr(extensions, "EGL_MESA_platform_surfaceless")) {
    throw Error("EGL lacks EGL_MESA_platform_surfaceless");
  }
  const auto get_display =
      egl.extension<EGLDisplay (*)(EGLenum, void*, const EGLint*)>("eglGetPlatformDisplayEXT");
  const auto screen = try_screen(egl, get_display(kPlatformSurfacelessMesa, nullptr, nullptr));
  if (!screen) egl.fail("the surfaceless display");
  return *screen;
}

// A loaded EGL library with a working display. Never destroyed, since drivers often crash when
// unloaded at exit.
struct EglConnection {
  Egl egl;
  Screen screen;
  std::string name;
};

const EglConnection& open_connection(bool on_device) {
  auto opened = std::make_unique<EglConnection>();
  opened->screen = on_device ? open_device(opened->egl) : open_surfaceless(opened->egl);
  opened->name =
      on_device ? fmt::format("EGL device {}", opened->screen.device) : "EGL surfaceless";
  opened->egl.library.keep();
  return *opened.release();
}

class EglContext final : public GlContext {
 public:
  explicit EglContext(const EglConnection& connection)
      : egl_(connection.egl), display_(connection.screen.display), name_(connection.name) {
    if (!egl_.bind_api(EGL_OPENGL_API)) egl_.fail("eglBindAPI");
    context_ = egl_.create_context(display_, connection.screen.config, EGL_NO_CONTEXT, nullptr);
    if (context_ == EGL_NO_CONTEXT) egl_.fail("eglCreateContext");
  }
  ~EglContext() override { egl_.destroy_context(display_, context_); }
  const std::string& name() const override { return name_; }
  void* function(const char* name) const override {
    return reinterpret_cast<void*>(egl_.get_proc_address(name));
  }

 private:
  void acquire() override {
    // The bound API is per thread.
    if (!egl_.bind_api(EGL_OPENGL_API)) egl_.fail("eglBindAPI");
    if (!egl_.make_current(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, context_)) {
      egl_.fail("eglMakeCurrent");
    }
  }
  void release() override {
    egl_.make_current(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
  }

  const Egl& egl_;
  const EGLDisplay display_;
  const std::string& name_;
  EGLContext context_ = EGL_NO_CONTEXT;
};

}  // namespace

std::unique_ptr<GlContext> make_egl_context(bool on_device) {
  // If the initializer of a static throws, the next call tries again.
  if (on_device) {
    static const EglConnection& device = open_connection(true);
    return std::make_unique<EglContext>(device);
  }
  static const EglConnection& surfaceless = open_connection(false);
  return std::make_unique<EglContext>(surfaceless);
}

}  // namespace roboimi::mujoco_env
