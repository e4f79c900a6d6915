// A compiled scene: an MJCF model and the two arms in it.
//
//   const World world = load_world({"sim_transfer.xml", text}, /*model_file=*/"");
//   const DataPointer data = world.make_data();
//   start_at_home(world, data.get());
//
// A scene's text may include every file that the plugin carries by its name: arms.xml for one.
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

// A text in MuJoCo's format, under the name by which others include it.
struct MjcfFile {
  const char* name;
  const char* text;
};

// The files of assets/sim_transfer, inside the plugin.
const std::vector<MjcfFile>& embedded_mjcf();
// One of them by its name.
const MjcfFile& embedded_mjcf(const std::string& name);

// Compiles `model_file`, or `scene` when that is empty. Error with the compiler's message, or
// naming what the model lacks of the arms.
World load_world(const MjcfFile& scene, const std::string& model_file);

// Puts both arms at kHome with open grippers, and every object where its MJCF has it, all at rest.
// Nothing of an earlier episode remains (velocities, forces, the solver's warm start). Derived
// quantities follow with mj_forward.
void start_at_home(const World& world, mjData* data);

}  // namespace roboimi::mujoco_env
