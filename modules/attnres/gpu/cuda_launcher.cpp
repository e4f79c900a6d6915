// Launches the kernels on a CUDA device. NVRTC and the CUDA driver are loaded on first use, so that
// a program without a GPU needs neither, and a build without the CUDA toolkit can use both.
#include <c10/core/DeviceGuard.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Type.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "modules/attnres/gpu/arguments.h"
#include "modules/attnres/gpu/kernel_cache.h"
#include "modules/attnres/gpu/launcher.h"
#include "modules/attnres/gpu/source.h"
#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"

namespace roboimi::attnres::gpu {
namespace {

// Parts of cuda.h and nvrtc.h. This ABI has been the same in all releases.
using Result = int;  // CUresult and nvrtcResult; 0 is success
using Module = struct CUmod_st*;
using Function = struct CUfunc_st*;
using CudaStream = struct CUstream_st*;
using Program = struct _nvrtcProgram*;

constexpr int kMaxSharedPerBlock = 97;   // CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
constexpr int kMajor = 75, kMinor = 76;  // ..._COMPUTE_CAPABILITY_MAJOR, MINOR
constexpr int kMaxDynamicShared = 8;     // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES

struct Api {
  // clang-format off
  Result (*nvrtcVersion)(int*, int*);
  Result (*nvrtcCreateProgram)(Program*, const char*, const char*, int, const char* const*, const char* const*);
  Result (*nvrtcCompileProgram)(Program, int, const char* const*);
  Result (*nvrtcDestroyProgram)(Program*);
  Result (*nvrtcGetCUBINSize)(Program, std::size_t*);
  Result (*nvrtcGetCUBIN)(Program, char*);
  Result (*nvrtcGetProgramLogSize)(Program, std::size_t*);
  Result (*nvrtcGetProgramLog)(Program, char*);
  const char* (*nvrtcGetErrorString)(Result);
  Result (*cuGetErrorString)(Result, const char**);
  Result (*cuDeviceGet)(int*, int);
  Result (*cuDeviceGetAttribute)(int*, int, int);
  Result (*cuModuleLoadData)(Module*, const void*);
  Result (*cuModuleGetFunction)(Function*, Module, const char*);
  Result (*cuFuncSetAttribute)(Function, int, int);
  Result (*cuLaunchKernel)(Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CudaStream, void**, void**);
  Result (*cuStreamIsCapturing)(CudaStream, int*);
  // clang-format on
};

[[noreturn]] void fail(const std::string& what, const std::string& found) {
  throw Error({.what = what,
               .where = "the GPU kernels of the attention-residual transformer",
               .found = found});
}

// Opens libtorch's wrapper library for NVRTC and the driver, which finds NVRTC in pip wheels.
void* open_libraries() {
  Dl_info info{};
  dladdr(reinterpret_cast<const void*>(&c10::demangle), &info);
  const std::filesystem::path folder =
      std::filesystem::path(info.dli_fname == nullptr ? "" : info.dli_fname).parent_path();
  void* library = dlopen((folder / "libcaffe2_nvrtc.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* error = dlerror();
    fail("NVRTC cannot be loaded", error == nullptr ? folder.string() : error);
  }
  return library;
}

template <typename F>
void find(void* library, F& function, const char* name) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (function == nullptr) fail("a CUDA function is missing", name);
}

Api load_api() {
  void* library = open_libraries();
  Api api{};
  find(library, api.nvrtcVersion, "nvrtcVersion");
  find(library, api.nvrtcCreateProgram, "nvrtcCreateProgram");
  find(library, api.nvrtcCompileProgram, "nvrtcCompileProgram");
  find(library, api.nvrtcDestroyProgram, "nvrtcDestroyProgram");
  find(library, api.nvrtcGetCUBINSize, "nvrtcGetCUBINSize");
  find(library, api.nvrtcGetCUBIN, "nvrtcGetCUBIN");
  find(library, api.nvrtcGetProgramLogSize, "nvrtcGetProgramLogSize");
  find(library, api.nvrtcGetProgramLog, "nvrtcGetProgramLog");
  find(library, api.nvrtcGetErrorString, "nvrtcGetErrorString");
  find(library, api.cuGetErrorString, "cuGetErrorString");
  find(library, api.cuDeviceGet, "cuDeviceGet");
  find(library, api.cuDeviceGetAttribute, "cuDeviceGetAttribute");
  find(library, api.cuModuleLoadData, "cuModuleLoadData");
  find(library, api.cuModuleGetFunction, "cuModuleGetFunction");
  find(library, api.cuFuncSetAttribute, "cuFuncSetAttribute");
  find(library, api.cuLaunchKernel, "cuLaunchKernel");
  find(library, api.cuStreamIsCapturing, "cuStreamIsCapturing");
  return api;
}

const Api& api() {
  static const Api loaded = load_api();
  return loaded;
}

void check(Result result, const char* call) {
  if (result == 0) return;
  const char* text = nullptr;
  api().cuGetErrorString(result, &text);
  fail(fmt::format("{} failed", call), text == nullptr ? fmt::format("error {}", result) : text);
}

CudaStream current_stream(c10::Device device) {
  const c10::impl::VirtualGuardImpl guard(device.type());
  return static_cast<CudaStream>(guard.getStream(device).native_handle());
}

class CompiledProgram {
 public:
  explicit CompiledProgram(const std::string& architecture) {
    const std::array headers = {kArgumentsSource};
    const std::array names = {kArgumentsName};
    require(api().nvrtcCreateProgram(&program_, kKernelsSource, "kernels.cu", 1, headers.data(),
                                     names.data()));
    const std::array<const char*, 2> options = {architecture.c_str(), "--std=c++17"};
    const Result result =
        api().nvrtcCompileProgram(program_, static_cast<int>(options.size()), options.data());
    if (result != 0) fail("NVRTC cannot compile the kernels", log());
  }
  ~CompiledProgram() { api().nvrtcDestroyProgram(&program_); }
  CompiledProgram(const CompiledProgram&) = delete;
  CompiledProgram& operator=(const CompiledProgram&) = delete;

  std::vector<char> cubin() const {
    std::size_t size = 0;
    require(api().nvrtcGetCUBINSize(program_, &size));
    std::vector<char> bytes(size);
    require(api().nvrtcGetCUBIN(program_, bytes.data()));
    return bytes;
  }

 private:
  static void require(Result result) {
    if (result != 0) fail("NVRTC failed", api().nvrtcGetErrorString(result));
  }

  std::string log() const {
    std::size_t size = 0;
    api().nvrtcGetProgramLogSize(program_, &size);
    std::string text(size, '\0');
    if (size > 0) api().nvrtcGetProgramLog(program_, text.data());
    return text;
  }

  Program program_ = nullptr;
};

std::string key_of(const std::string& architecture) {
  int major = 0, minor = 0;
  api().nvrtcVersion(&major, &minor);
  Sha256 hash;
  hash.update_text(kKernelsSource).update_text(kArgumentsSource).update_text(architecture);
  return hash.update_text(fmt::format("{}.{}", major, minor)).hex();
}

Module load_module(const std::string& architecture) {
  const KernelCache cache(KernelCache::default_folder());
  const std::string key = key_of(architecture);
  Module module = nullptr;
  // Compile again if the driver rejects the cached kernels, for example because they are damaged.
  const std::optional<std::string> kept = cache.find(key);
  if (kept && api().cuModuleLoadData(&module, kept->data()) == 0) return module;
  const std::vector<char> cubin = CompiledProgram(architecture).cubin();
  check(api().cuModuleLoadData(&module, cubin.data()), "cuModuleLoadData");
  cache.keep(key, {cubin.data(), cubin.size()});
  return module;
}

class CudaLauncher : public Launcher {
 public:
  explicit CudaLauncher(c10::Device device) : device_(device) {
    // Read the device's properties.
    int handle = 0, major = 0, minor = 0, shared = 0;
    check(api().cuDeviceGet(&handle, device.index()), "cuDeviceGet");
    check(api().cuDeviceGetAttribute(&major, kMajor, handle), "cuDeviceGetAttribute");
    check(api().cuDeviceGetAttribute(&minor, kMinor, handle), "cuDeviceGetAttribute");
    check(api().cuDeviceGetAttribute(&shared, kMaxSharedPerBlock, handle), "cuDeviceGetAttribute");
    max_shared_floats_ = static_cast<std::size_t>(shared) / sizeof(float);
    // Load the kernels and allow them all of the shared memory. The driver loads and launches them
    // in the context of the current device, which need not be this one: processes that share a
    // machine use one device each.
    const c10::DeviceGuard current(device_);
    module_ = load_module(fmt::format("--gpu-architecture=sm_{}{}", major, minor));
    for (std::size_t i = 0; i < kNumKernels; ++i) {
      check(api().cuModuleGetFunction(&functions_[i], module_, kKernelNames[i]),
            "cuModuleGetFunction");
      check(api().cuFuncSetAttribute(functions_[i], kMaxDynamicShared, shared),
            "cuFuncSetAttribute");
    }
  }

  void launch(Kernel kernel, Grid grid, std::size_t shared_floats,
              const void* arguments) const override {
    const c10::DeviceGuard current(device_);
    void* parameters[] = {const_cast<void*>(arguments)};
    check(api().cuLaunchKernel(functions_[static_cast<std::size_t>(kernel)],
                               static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), 1,
                               kThreads, 1, 1, static_cast<unsigned>(shared_floats * sizeof(float)),
                               current_stream(device_), parameters, nullptr),
          kKernelNames[static_cast<std::size_t>(kernel)]);
  }

  std::size_t max_shared_floats() const override { return max_shared_floats_; }

 private:
  c10::Device device_;
  std::size_t max_shared_floats_ = 0;
  // Never unloaded, because at exit the driver may be unloaded before this object is destroyed.
  Module module_ = nullptr;
  std::array<Function, kNumKernels> functions_{};
};

}  // namespace

std::unique_ptr<Launcher> make_cuda_launcher(c10::Device device) {
  return std::make_unique<CudaLauncher>(device);
}

bool is_capturing(c10::Device device) {
  int status = 0;
  check(api().cuStreamIsCapturing(current_stream(device), &status), "cuStreamIsCapturing");
  return status != 0;
}

}  // namespace roboimi::attnres::gpu
