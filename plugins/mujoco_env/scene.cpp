#include "plugins/mujoco_env/scene.h"

#include <fmt/format.h>

#include <cstring>
#include <filesystem>
#include <mutex>

#include "plugins/mujoco_env/simulator_call.h"
#include "roboimi/common/error.h"

namespace roboimi::mujoco_env {
namespace {

// A virtual file system that holds the embedded texts.
class EmbeddedFiles {
 public:
  EmbeddedFiles() {
    mj_defaultVFS(&files_);
    for (const SceneFile& file : embedded_scene()) {
      const int status =
          mj_addBufferVFS(&files_, file.name, file.text, static_cast<int>(std::strlen(file.text)));
      ROBOIMI_CHECK(status == 0, fmt::format("{} does not fit the virtual file system", file.name));
    }
  }
  ~EmbeddedFiles() { mj_deleteVFS(&files_); }
  EmbeddedFiles(const EmbeddedFiles&) = delete;
  EmbeddedFiles& operator=(const EmbeddedFiles&) = delete;
  const mjVFS* get() const { return &files_; }

 private:
  mjVFS files_;
};

ModelPointer compile(const std::string& model_file) {
  if (!model_file.empty() && !std::filesystem::is_regular_file(model_file)) {
    throw Error({.what = "the scene's file is missing",
                 .where = model_file,
                 .expected = "an MJCF file",
                 .next = "correct env.model_file, or leave it out for the scene of the plugin"});
  }
  // The compiler keeps state of its own between calls.
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  char message[1000] = "";
  ModelPointer model;
  if (model_file.empty()) {
    const EmbeddedFiles files;
    model.reset(mj_loadXML(embedded_scene().front().name, files.get(), message, sizeof(message)));
  } else {
    model.reset(mj_loadXML(model_file.c_str(), nullptr, message, sizeof(message)));
  }
  if (model != nullptr) return model;
  std::string text = message;
  for (char& character : text) {
    if (character == '\n') character = ' ';
  }
  throw Error({.what = "the scene does not compile",
               .where = model_file.empty() ? "mujoco_env" : model_file,
               .expected = "valid MJCF",
               .found = text});
}

int find(const mjModel* model, mjtObj type, const std::string& name) {
  const int id = mj_name2id(model, type, name.c_str());
  if (id < 0) {
    throw Error({.what = fmt::format("the scene lacks the {} '{}'", mju_type2Str(type), name),
                 .where = "mujoco_env",
                 .expected = "a model with the names of assets/sim_transfer"});
  }
  return id;
}

ArmIndices find_arm(const mjModel* model, const std::string& arm) {
  ArmIndices indices;
  for (int i = 0; i < kNumJoints; ++i) {
    const std::string name = fmt::format("{}_joint{}", arm, i + 1);
    const int joint = find(model, mjOBJ_JOINT, name);
    indices.position[i] = model->jnt_qposadr[joint];
    indices.velocity[i] = model->jnt_dofadr[joint];
    indices.actuator[i] = find(model, mjOBJ_ACTUATOR, name);
    indices.lower[i] = model->jnt_range[2 * joint];
    indices.upper[i] = model->jnt_range[2 * joint + 1];
  }
  for (int i = 0; i < 2; ++i) {
    const std::string name = fmt::format("{}_finger{}", arm, i + 1);
    const int joint = find(model, mjOBJ_JOINT, name);
    indices.finger_position[i] = model->jnt_qposadr[joint];
    indices.finger_velocity[i] = model->jnt_dofadr[joint];
    indices.finger_actuator[i] = find(model, mjOBJ_ACTUATOR, name);
    indices.finger_body[i] = find(model, mjOBJ_BODY, name);
  }
  indices.gripper_body = find(model, mjOBJ_BODY, arm + "_gripper");
  indices.link7_body = find(model, mjOBJ_BODY, arm + "_link7");
  indices.tool_site = find(model, mjOBJ_SITE, arm + "_tool");
  return indices;
}

}  // namespace

DataPointer Scene::make_data() const {
  return DataPointer(simulator_call([&] { return mj_makeData(model.get()); }));
}

Scene load_scene(const std::string& model_file) {
  install_simulator_handlers();
  Scene scene;
  scene.model = compile(model_file);
  const mjModel* model = scene.model.get();
  for (int arm = 0; arm < kNumArms; ++arm) scene.arms[arm] = find_arm(model, kArmNames[arm]);
  scene.box_body = find(model, mjOBJ_BODY, "box");
  scene.box_geom = find(model, mjOBJ_GEOM, "box");
  const int joint = find(model, mjOBJ_JOINT, "box");
  if (model->jnt_type[joint] != mjJNT_FREE) {
    throw Error({.what = "the joint 'box' is not free", .where = "mujoco_env"});
  }
  scene.box_position = model->jnt_qposadr[joint];
  scene.box_velocity = model->jnt_dofadr[joint];
  return scene;
}

}  // namespace roboimi::mujoco_env
