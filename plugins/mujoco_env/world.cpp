#include "plugins/mujoco_env/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <mutex>

#include "plugins/mujoco_env/simulator_call.h"
#include "roboimi/common/error.h"

namespace roboimi::mujoco_env {
namespace {

// A virtual file system that holds a scene and the files that it may include.
class SceneFiles {
 public:
  explicit SceneFiles(const MjcfFile& scene) {
    simulator_call([&] { mj_defaultVFS(&files_); });
    add(scene);
    for (const MjcfFile& file : embedded_mjcf()) {
      if (std::strcmp(file.name, scene.name) != 0) add(file);
    }
  }
  ~SceneFiles() { mj_deleteVFS(&files_); }
  SceneFiles(const SceneFiles&) = delete;
  SceneFiles& operator=(const SceneFiles&) = delete;
  const mjVFS* get() const { return &files_; }

 private:
  void add(const MjcfFile& file) {
    const int size = static_cast<int>(std::strlen(file.text));
    const int status =
        simulator_call([&] { return mj_addBufferVFS(&files_, file.name, file.text, size); });
    ROBOIMI_CHECK(status == 0, fmt::format("cannot add {} to the virtual file system", file.name));
  }

  mjVFS files_;
};

ModelPointer compile(const MjcfFile& scene, const std::string& model_file) {
  if (!model_file.empty() && !std::filesystem::is_regular_file(model_file)) {
    throw Error({.what = "the scene file does not exist",
                 .where = model_file,
                 .expected = "an MJCF file",
                 .next = "fix env.model_file, or leave it out to use the embedded scene"});
  }

  // MuJoCo's compiler has global state, so calls must not overlap.
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  char message[1000] = "";
  const auto load = [&](const char* name, const mjVFS* files) {
    return ModelPointer(
        simulator_call([&] { return mj_loadXML(name, files, message, sizeof(message)); }));
  };
  ModelPointer model = model_file.empty() ? load(scene.name, SceneFiles(scene).get())
                                          : load(model_file.c_str(), nullptr);
  if (model != nullptr) return model;

  // The compiler's message on one line.
  std::string text = message;
  std::replace(text.begin(), text.end(), '\n', ' ');
  throw Error({.what = "the scene does not compile",
               .where = model_file.empty() ? fmt::format("mujoco_env, {}", scene.name) : model_file,
               .expected = "valid MJCF",
               .found = text});
}

}  // namespace

DataPointer World::make_data() const {
  return DataPointer(simulator_call([&] { return mj_makeData(model.get()); }));
}

const MjcfFile& embedded_mjcf(const std::string& name) {
  const auto& files = embedded_mjcf();
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const MjcfFile& file) { return name == file.name; });
  ROBOIMI_CHECK(found != files.end(), fmt::format("no embedded file {}", name));
  return *found;
}

World load_world(const MjcfFile& scene, const std::string& model_file) {
  install_simulator_handlers();
  World world;
  world.model = compile(scene, model_file);
  world.arms = find_arms(world.model.get());
  return world;
}

void start_at_home(const World& world, mjData* data) {
  simulator_call([&] { mj_resetData(world.model.get(), data); });
  put_at_home(world.arms, data);
}

}  // namespace roboimi::mujoco_env
