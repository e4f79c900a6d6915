// An OpenGL context without a window, for MuJoCo's off-screen renderer.
//
//   std::unique_ptr<GlContext> context = make_gl_context(GlBackend::kAuto);
//   GlContext::Current current(*context);   // until the end of the scope, on this thread
//   mjr_render(...);
//
// libEGL and libOSMesa are opened when the first context is made, so that a program which never
// renders needs neither. All contexts of a process share one backend, since MuJoCo resolves
// OpenGL's functions once.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>

namespace roboimi::mujoco_env {

enum class GlBackend {
  kAuto,    // EGL on a device, EGL without a surface, OSMesa: the first that works
  kEgl,     // the first two
  kOsMesa,  // the last
};

class GlContext {
 public:
  virtual ~GlContext();
  // "EGL device", "EGL surfaceless" or "OSMesa".
  virtual const std::string& name() const = 0;

  // Makes the context this thread's own while alive.
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

// What the option `gl` ("auto", "egl", "osmesa") and the environment variable MUJOCO_GL ask for.
// The variable decides when the option says auto. Error for a value that names neither.
GlBackend choose_gl_backend(const std::string& option);

// Error naming each way that was tried and why it failed, or when the process already renders by a
// way that `backend` does not allow.
std::unique_ptr<GlContext> make_gl_context(GlBackend backend);

// The ways, one by one. Error with the reason when one does not work here.
std::unique_ptr<GlContext> make_egl_context(bool on_device);
std::unique_ptr<GlContext> make_osmesa_context();

// A library opened at run time, closed again unless it is kept.
class GlLibrary {
 public:
  // The first of `names` that is there. Error otherwise.
  explicit GlLibrary(std::initializer_list<const char*> names);
  ~GlLibrary();
  GlLibrary(const GlLibrary&) = delete;
  GlLibrary& operator=(const GlLibrary&) = delete;

  // Sets *function. Error when the library lacks it.
  template <typename Function>
  void load(const char* name, Function* function) const {
    *function = reinterpret_cast<Function>(find(name));
  }

  // Makes its symbols global for the life of the process: MuJoCo looks for an OpenGL among them,
  // and must not find one that did not work.
  void keep() const;

 private:
  void* find(const char* name) const;

  std::string name_;
  void* handle_ = nullptr;
};

}  // namespace roboimi::mujoco_env
