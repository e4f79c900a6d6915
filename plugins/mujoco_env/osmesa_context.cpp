// OpenGL contexts through OSMesa, Mesa's software renderer.
#include <vector>

#include "plugins/mujoco_env/gl_context.h"
#include "roboimi/common/error.h"

namespace roboimi::mujoco_env {
namespace {

constexpr unsigned kRgba = 0x1908;          // GL_RGBA
constexpr unsigned kUnsignedByte = 0x1401;  // GL_UNSIGNED_BYTE
constexpr int kBufferSize = 64;             // pixels; MuJoCo renders into its own framebuffer

struct OsMesa {
  GlLibrary library{"libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"};
  void* (*create_context)(unsigned format, int depth_bits, int stencil_bits, int accumulation_bits,
                          void* shared);
  void (*destroy_context)(void* context);
  void* (*get_proc_address)(const char* name);
  unsigned char (*make_current)(void* context, void* buffer, unsigned type, int width, int height);

  OsMesa() {
    library.load("OSMesaCreateContextExt", &create_context);
    library.load("OSMesaDestroyContext", &destroy_context);
    library.load("OSMesaMakeCurrent", &make_current);
    library.load("OSMesaGetProcAddress", &get_proc_address);
    library.keep();
  }
};

class OsMesaContext final : public GlContext {
 public:
  explicit OsMesaContext(const OsMesa& osmesa)
      : osmesa_(osmesa), buffer_(4 * kBufferSize * kBufferSize) {
    context_ = osmesa_.create_context(kRgba, 24, 8, 0, nullptr);
    if (context_ == nullptr) throw Error("OSMesaCreateContextExt failed");
  }
  ~OsMesaContext() override { osmesa_.destroy_context(context_); }
  const std::string& name() const override { return name_; }
  void* function(const char* name) const override { return osmesa_.get_proc_address(name); }

 private:
  void acquire() override {
    if (!osmesa_.make_current(context_, buffer_.data(), kUnsignedByte, kBufferSize, kBufferSize)) {
      throw Error({.what = "OSMesaMakeCurrent failed", .where = "mujoco_env"});
    }
  }
  void release() override { osmesa_.make_current(nullptr, nullptr, kUnsignedByte, 0, 0); }

  const OsMesa& osmesa_;
  const std::string name_ = "OSMesa";
  std::vector<unsigned char> buffer_;
  void* context_ = nullptr;
};

}  // namespace

std::unique_ptr<GlContext> make_osmesa_context() {
  static const OsMesa& osmesa = *new OsMesa;
  return std::make_unique<OsMesaContext>(osmesa);
}

}  // namespace roboimi::mujoco_env
