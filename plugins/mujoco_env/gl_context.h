// An OpenGL context without a window, for MuJoCo's off-screen renderer.
//
//   std::unique_ptr<GlContext> context = make_gl_context(GlBackend::kAuto);
//   GlContext::Current current(*context);   // until the end of the scope, on this thread
//   mjr_render(...);
//
// libEGL and libOSMesa are opened when the first context is created, so a program that never
// renders needs neither. All contexts of a process use the same backend, because MuJoCo resolves
// OpenGL's functions only once. MUJOCO_EGL_DEVICE_ID selects an EGL device, as in MuJoCo's Python
// package; otherwise GPUs come before software devices (egl_devices.h).
#pragma once

#include <initializer_list>
#include <memory>
#include <string>

namespace roboimi::mujoco_env {

enum class GlBackend {
  kAuto,    // the first that works: EGL on a device, EGL without a surface, OSMesa
  kEgl,     // EGL on a device, or without a surface
  kOsMesa,  // OSMesa
};

class GlContext {
 public:
  virtual ~GlContext();
  // "EGL device 0", "EGL surfaceless" or "OSMesa".
  virtual const std::string& name() const = 0;
  // The address of an OpenGL function; null if there is none.
  virtual void* function(const char* name) const = 0;

  // Makes the context current on this thread for its lifetime.
  class Current {
   public:
    explicit Current(GlContext& context);
    ~Current();
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;

   private:
    GlContext& context_;
  };

 private:
  virtual void acquire() = 0;
  virtual void release() = 0;
};

// The backend selected by the option `gl` ("auto", "egl", "osmesa"), or by the environment variable
// MUJOCO_GL if the option is auto. Throws Error for an unknown value.
GlBackend choose_gl_backend(const std::string& option);

// Creates a context. An Error lists each method that was tried and why it failed. If a later method
// works, the log says once why the earlier ones do not. Error also if the process already renders
// with a backend that `backend` excludes.
std::unique_ptr<GlContext> make_gl_context(GlBackend backend);

// The context's renderer, such as "EGL device 0: NVIDIA H200/PCIe/SSE2" or "OSMesa: llvmpipe (LLVM
// 15.0.6, 256 bits) (software)". The context must be current on this thread.
std::string describe(const GlContext& context);

// The single methods. Throws Error with the reason if one does not work on this machine.
std::unique_ptr<GlContext> make_egl_context(bool on_device);
std::unique_ptr<GlContext> make_osmesa_context();

// A library opened at run time, and closed again unless keep() is called.
class GlLibrary {
 public:
  // Opens the first of `names` that is found. Throws Error if there is none.
  explicit GlLibrary(std::initializer_list<const char*> names);
  ~GlLibrary();
  GlLibrary(const GlLibrary&) = delete;
  GlLibrary& operator=(const GlLibrary&) = delete;

  // Sets *function. Throws Error if the library lacks it.
  template <typename Function>
  void load(const char* name, Function* function) const {
    *function = reinterpret_cast<Function>(find(name));
  }

  // Makes the library's symbols global for the lifetime of the process. MuJoCo searches them for
  // OpenGL, so call this only for a backend that works.
  void keep() const;

 private:
  void* find(const char* name) const;

  std::string name_;
  void* handle_ = nullptr;
};

}  // namespace roboimi::mujoco_env
