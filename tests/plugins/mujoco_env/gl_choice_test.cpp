// What renders: the OpenGL backend and the EGL device, and errors if rendering is not possible.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "plugins/mujoco_env/egl_devices.h"
#include "plugins/mujoco_env/mujoco_env.h"
#include "roboimi/common/error.h"
#include "tests/error_text.h"

namespace roboimi::mujoco_env {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(EglDevices, AreTriedFromTheFirstGpuToSoftware) {
  const std::vector<EglDevice> devices = {
      {.is_software = true}, {}, {.cuda_ordinal = 1}, {.cuda_ordinal = 0}};
  EXPECT_THAT(devices_to_try(devices, nullptr), ElementsAre(3, 2, 1, 0));
  EXPECT_THAT(devices_to_try(devices, ""), ElementsAre(3, 2, 1, 0));
  EXPECT_THAT(devices_to_try({}, nullptr), IsEmpty());
}

TEST(EglDevices, AreChosenByMujocoEglDeviceId) {
  const std::vector<EglDevice> devices(3);
  EXPECT_THAT(devices_to_try(devices, "2"), ElementsAre(2));
  for (const char* bad : {"3", "-1", "1x", "gpu"}) {
    EXPECT_THAT(error_text([&] { devices_to_try(devices, bad); }),
                HasSubstr(std::string("MUJOCO_EGL_DEVICE_ID: no EGL device has this index: "
                                      "expected 0 to 2; found ") +
                          bad));
  }
}

// The OpenGL backend is chosen once per process, so each case runs in its own process and prints
// the result.
void print_backend_or_error(const char* gl) {
  try {
    MujocoEnv environment({.gl = gl});
    const at::Tensor view = environment.reset(0, true).at("front");
    std::cerr << "drew " << view.size(1) << " columns by " << environment.renderer_name() << "\n";
  } catch (const Error& error) {
    std::cerr << error.what() << "\n";
  }
  std::_Exit(0);
}

class OpenGlChoice : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(OpenGlChoice, FallsBackToOsMesaWithoutEgl) {
  EXPECT_EXIT(
      {
        setenv("__EGL_VENDOR_LIBRARY_FILENAMES", "/nowhere", 1);
        unsetenv("MUJOCO_GL");
        print_backend_or_error("auto");
      },
      testing::ExitedWithCode(0), "drew 256 columns by OSMesa: .+ \\(software\\)");
}

TEST_F(OpenGlChoice, ListsEveryMethodItTriedIfNoneWorks) {
  EXPECT_EXIT(
      {
        setenv("__EGL_VENDOR_LIBRARY_FILENAMES", "/nowhere", 1);
        print_backend_or_error("egl");
      },
      testing::ExitedWithCode(0),
      "no OpenGL backend works for rendering.*EGL device: .*EGL surfaceless: .*install libegl1");
}

TEST_F(OpenGlChoice, RespectsMujocoGl) {
  EXPECT_EXIT(
      {
        setenv("MUJOCO_GL", "osmesa", 1);
        print_backend_or_error("auto");
      },
      testing::ExitedWithCode(0), "drew 256 columns by OSMesa: .+ \\(software\\)");
  EXPECT_EXIT(
      {
        setenv("MUJOCO_GL", "egl", 1);
        print_backend_or_error("auto");
      },
      testing::ExitedWithCode(0), "drew 256 columns by EGL [^:]+: .");
}

TEST_F(OpenGlChoice, UsesTheDeviceOfMujocoEglDeviceIdOrNone) {
  EXPECT_EXIT(
      {
        setenv("MUJOCO_EGL_DEVICE_ID", "0", 1);
        print_backend_or_error("auto");
      },
      testing::ExitedWithCode(0), "drew 256 columns by EGL device 0: .");
  EXPECT_EXIT(
      {
        setenv("MUJOCO_EGL_DEVICE_ID", "15", 1);
        print_backend_or_error("auto");
      },
      testing::ExitedWithCode(0),
      "no OpenGL backend works.*EGL device: MUJOCO_EGL_DEVICE_ID: no EGL device has this index");
}

TEST_F(OpenGlChoice, RejectsOtherValuesOfMujocoGl) {
  EXPECT_EXIT(
      {
        setenv("MUJOCO_GL", "glfw", 1);
        print_backend_or_error("auto");
      },
      testing::ExitedWithCode(0), "MUJOCO_GL: .*expected egl or osmesa; found glfw");
}

}  // namespace
}  // namespace roboimi::mujoco_env
