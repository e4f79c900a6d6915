// A compiled scene: a MuJoCo model and the indices of its two arms.
//
//   const World world = load_world({"sim_transfer.xml", text}, /*model_file=*/"");
//   const DataPointer data = world.make_data();
//   start_at_home(world, data.get());
//
// A scene may include every file that is embedded in the plugin by its name, such as arms.xml.
#pragma once

#include <mujoco/mujoco.h>

#include <memory>
#include <string>
#include <vector>

#include "plugins/mujoco_env/arms.h"

namespace roboimi::mujoco_env {

struct ModelDeleter {
  void operator()(mjModel* model) const { mj_deleteModel(model); }
};
struct DataDeleter {
  void operator()(mjData* data) const { mj_deleteData(data); }
};
using ModelPointer = std::unique_ptr<mjModel, ModelDeleter>;
using DataPointer = std::unique_ptr<mjData, DataDeleter>;

struct World {
  ModelPointer model;
  Arms arms;

  DataPointer make_data() const;
};

// The contents of an MJCF file, with the name under which others include it.
struct MjcfFile {
  const char* name;
  const char* text;
};

// The files of assets/sim_transfer, embedded in the plugin.
const std::vector<MjcfFile>& embedded_mjcf();
// The embedded file with this name.
const MjcfFile& embedded_mjcf(const std::string& name);

// Compiles `model_file`, or `scene` if that is empty. An Error has the compiler's message, or names
// the part of the arms that the model lacks.
World load_world(const MjcfFile& scene, const std::string& model_file);

// Sets both arms to kHome with open grippers, and every object to its pose in the MJCF, all at
// rest. Clears everything from an earlier episode (velocities, forces, the solver's warm start).
// Call mj_forward afterward to update derived quantities.
void start_at_home(const World& world, mjData* data);

}  // namespace roboimi::mujoco_env
