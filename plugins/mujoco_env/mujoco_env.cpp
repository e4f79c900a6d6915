#include "plugins/mujoco_env/mujoco_env.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "plugins/mujoco_env/arms.h"
#include "plugins/mujoco_env/simulator_call.h"
#include "roboimi/common/error.h"

namespace roboimi::mujoco_env {
namespace {

// Suffix of the name of a camera's depth stream.
constexpr const char* kDepthSuffix = "_depth";

ObservationSpec make_spec(const MujocoEnvOptions& options, const Task& task) {
  const ImageSize size{options.image_height, options.image_width};
  ObservationSpec spec{.action_dim = kStateDim, .control_hz = kControlHz};
  for (const std::string& camera : options.camera_names) spec.set(rgb_stream(camera, size));
  for (const std::string& camera : options.depth_camera_names) {
    spec.set(depth_stream(camera + kDepthSuffix, size));
  }
  spec.set(vector_stream(kState, kStateDim));
  spec.set(vector_stream(kVelocity, kStateDim));
  if (const std::int64_t dim = task.object_state_dim(); dim > 0) {
    spec.set(vector_stream(kEnvState, dim));
  }
  return spec;
}

void check_options(const MujocoEnvOptions& options, const mjModel* model) {
  if (options.max_steps < 1) {
    throw Error({.what = "an episode needs at least one step",
                 .where = "env.max_steps",
                 .expected = "1 or more",
                 .found = fmt::format("{}", options.max_steps)});
  }
  for (const std::string& camera : options.camera_names) find_camera(model, camera);
  for (const std::string& camera : options.depth_camera_names) find_camera(model, camera);
  if (options.gl != "auto") choose_gl_backend(options.gl);
  const double control_period = model->opt.timestep * kSubSteps;
  if (std::abs(control_period * kControlHz - 1.0) > 1e-9) {
    throw Error({.what = "the scene's timestep does not give 20 Hz control",
                 .where = options.model_file.empty() ? "mujoco_env" : options.model_file,
                 .expected = "timestep 0.002",
                 .found = fmt::format("{}", model->opt.timestep)});
  }
}

bool is_unstable(const mjData* data) {
  return data->warning[mjWARN_BADQPOS].number > 0 || data->warning[mjWARN_BADQVEL].number > 0 ||
         data->warning[mjWARN_BADQACC].number > 0;
}

}  // namespace

MujocoEnv::MujocoEnv(MujocoEnvOptions options) : MujocoEnv(options, find_task(options.task)) {}

MujocoEnv::MujocoEnv(MujocoEnvOptions options, const TaskRow& task)
    : options_(std::move(options)),
      world_(load_world(task.scene, options_.model_file)),
      task_(task.make(world_)),
      data_(world_.make_data()),
      renderer_(world_.model.get(), {.gl = options_.gl, .shadows = options_.render_shadows}),
      spec_(make_spec(options_, *task_)) {
  check_options(options_, world_.model.get());
}

MujocoEnv::~MujocoEnv() = default;

Observation MujocoEnv::reset(std::uint64_t seed, bool render) {
  start_at_home(world_, data_.get());
  task_->place(seed, data_.get());
  simulator_call([&] { mj_forward(world_.model.get(), data_.get()); });
  running_ = true;
  has_reset_ = true;
  steps_ = 0;
  steps_achieved_ = 0;
  info_ = {};
  return observe(render);
}

void MujocoEnv::check_begun() const {
  if (has_reset_) return;
  throw Error(
      {.what = "no episode has started", .where = "mujoco_env", .next = "call reset(seed) first"});
}

void MujocoEnv::check_running() const {
  check_begun();
  if (running_) return;
  throw Error({.what = "the episode is over",
               .where = "mujoco_env",
               .next = "call reset(seed) before step()"});
}

void MujocoEnv::apply(const at::Tensor& action) {
  if (!action.defined() || action.numel() != kStateDim) {
    throw Error({.what = "the action has the wrong size",
                 .where = "mujoco_env",
                 .expected = fmt::format("{} elements", kStateDim),
                 .found = action.defined() ? fmt::format("{}", action.numel()) : "none"});
  }
  const at::Tensor numbers = action.detach().to(at::kCPU, at::kDouble).contiguous();
  const double* values = numbers.data_ptr<double>();
  for (int i = 0; i < kStateDim; ++i) {
    if (std::isfinite(values[i])) continue;
    throw Error({.what = fmt::format("element {} of the action is not finite", i),
                 .where = "mujoco_env",
                 .found = fmt::format("{}", values[i])});
  }
  apply_action(world_.arms, values, data_.get());
}

void MujocoEnv::simulate_control_step() {
  simulator_call([&] {
    for (int i = 0; i < kSubSteps; ++i) mj_step(world_.model.get(), data_.get());
  });
  if (is_unstable(data_.get())) {
    running_ = false;
    throw Error({.what = "the simulation became unstable",
                 .where = "mujoco_env",
                 .found = fmt::format("values that are not finite at step {}", steps_),
                 .next = "check the actions, or the contacts of env.model_file"});
  }
  // mj_step leaves poses and contacts one sub-step behind. This updates them to the new positions
  // without changing the solver's warm start.
  simulator_call([&] { mj_fwdPosition(world_.model.get(), data_.get()); });
}

void MujocoEnv::note_score(const Score& score) {
  steps_achieved_ = score.is_achieved ? steps_achieved_ + 1 : 0;
  info_.stage = std::max<std::int64_t>(info_.stage, score.stage);
  info_.success = info_.success || score.is_achieved;
  info_.stable_success = info_.stable_success || steps_achieved_ >= kStableSteps;
}

StepResult MujocoEnv::step(const at::Tensor& action, bool render) {
  check_running();
  apply(action);
  simulate_control_step();
  ++steps_;
  const Score score = task_->score(data_.get());
  note_score(score);

  StepResult result;
  result.reward = score.reward;
  result.truncated = steps_ >= options_.max_steps;
  result.info = info_;
  running_ = !result.truncated;
  result.observation = observe(render);
  return result;
}

Observation MujocoEnv::observe(bool render) {
  check_begun();
  // State, velocity and the task's objects.
  Observation observation;
  const at::Tensor state = at::empty({kStateDim}), velocity = at::empty({kStateDim});
  read_state(world_.arms, data_.get(), state.data_ptr<float>());
  read_velocity(world_.arms, data_.get(), velocity.data_ptr<float>());
  observation[kState] = state;
  observation[kVelocity] = velocity;
  if (const at::Tensor objects = task_->object_state(data_.get()); objects.defined()) {
    observation[kEnvState] = objects;
  }
  if (!render) return observation;

  // Images and depth.
  const ImageSize size{options_.image_height, options_.image_width};
  for (const std::string& camera : options_.camera_names) {
    observation[camera] = this->render(camera, size);
  }
  for (const std::string& camera : options_.depth_camera_names) {
    observation[camera + kDepthSuffix] = renderer_.draw_depth(data_.get(), camera, size);
  }
  return observation;
}

std::unique_ptr<Expert> MujocoEnv::make_expert(double noise, std::uint64_t seed) {
  check_running();
  return task_->make_expert(data_.get(),
                            {.everywhere = noise, .in_the_air = options_.expert_path_noise}, seed);
}

std::vector<std::array<double, 3>> MujocoEnv::end_effector_positions() const {
  check_begun();
  std::vector<std::array<double, 3>> positions;
  for (const ArmIndices& arm : world_.arms) {
    const double* position = data_->xpos + 3 * arm.link7_body;
    positions.push_back({position[0], position[1], position[2]});
  }
  return positions;
}

std::vector<std::string> MujocoEnv::end_effector_names() const {
  return {"left_link7", "right_link7"};
}

std::vector<std::array<double, 3>> MujocoEnv::tool_positions() const {
  check_begun();
  std::vector<std::array<double, 3>> positions;
  for (const ArmIndices& arm : world_.arms) {
    const double* position = data_->site_xpos + 3 * arm.tool_site;
    positions.push_back({position[0], position[1], position[2]});
  }
  return positions;
}

std::vector<bool> MujocoEnv::holding() const {
  check_begun();
  std::vector<bool> held;
  for (const ArmIndices& arm : world_.arms) {
    held.push_back(holds_object(world_.model.get(), data_.get(), arm));
  }
  return held;
}

std::map<std::string, at::Tensor> MujocoEnv::labels() const {
  std::map<std::string, at::Tensor> labels = Scene::labels();
  labels.merge(task_->labels(data_.get()));
  return labels;
}

at::Tensor MujocoEnv::render(const std::string& camera, ImageSize size) {
  check_begun();
  return renderer_.draw(data_.get(), camera, size);
}

std::optional<std::array<double, 2>> MujocoEnv::project(const std::string& camera, ImageSize size,
                                                        const std::array<double, 3>& point) const {
  check_begun();
  return project_point(world_.model.get(), data_.get(), find_camera(world_.model.get(), camera),
                       size, point);
}

}  // namespace roboimi::mujoco_env
