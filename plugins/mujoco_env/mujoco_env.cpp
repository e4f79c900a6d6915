#include "plugins/mujoco_env/mujoco_env.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "plugins/mujoco_env/simulator_call.h"
#include "plugins/mujoco_env/transfer_expert.h"
#include "plugins/mujoco_env/transfer_task.h"
#include "roboimi/common/error.h"

namespace roboimi::mujoco_env {
namespace {

constexpr int kBoxStateDim = 7;

ObservationSpec make_spec(const MujocoEnvOptions& options) {
  ObservationSpec spec;
  spec.camera_names = options.camera_names;
  for (const std::string& camera : options.camera_names) {
    spec.images[camera] = {options.image_height, options.image_width};
  }
  spec.state_dim = kStateDim;
  spec.action_dim = kStateDim;
  spec.env_state_dim = kBoxStateDim;
  spec.control_hz = kControlHz;
  return spec;
}

void check_options(const MujocoEnvOptions& options, const Scene& scene) {
  if (options.task != "sim_transfer") {
    throw Error({.what = "unknown task",
                 .where = "env.task",
                 .expected = "sim_transfer",
                 .found = options.task});
  }
  if (options.max_steps < 1) {
    throw Error({.what = "an episode needs a step",
                 .where = "env.max_steps",
                 .expected = "1 or more",
                 .found = fmt::format("{}", options.max_steps)});
  }
  for (const std::string& camera : options.camera_names) find_camera(scene, camera);
  if (options.gl != "auto") choose_gl_backend(options.gl);
  const double control_period = scene.model->opt.timestep * kSubSteps;
  if (std::abs(control_period * kControlHz - 1.0) > 1e-9) {
    throw Error({.what = "the scene's timestep does not give 20 Hz control",
                 .where = options.model_file,
                 .expected = "timestep 0.002",
                 .found = fmt::format("{}", scene.model->opt.timestep)});
  }
}

bool is_unstable(const mjData* data) {
  return data->warning[mjWARN_BADQPOS].number > 0 || data->warning[mjWARN_BADQVEL].number > 0 ||
         data->warning[mjWARN_BADQACC].number > 0;
}

// Joint values and the gripper's opening of one arm, from a position or a velocity vector.
void read_arm(const mjtNum* values, const std::array<int, kNumJoints>& joints,
              const std::array<int, 2>& fingers, float* out) {
  for (int i = 0; i < kNumJoints; ++i) out[i] = static_cast<float>(values[joints[i]]);
  const double travel = 0.5 * (values[fingers[0]] + values[fingers[1]]);
  out[kNumJoints] = static_cast<float>(travel / kFingerTravel);
}

}  // namespace

MujocoEnv::MujocoEnv(MujocoEnvOptions options)
    : options_(std::move(options)),
      scene_(load_scene(options_.model_file)),
      data_(scene_.make_data()),
      renderer_(scene_, {.gl = options_.gl, .shadows = options_.render_shadows}),
      spec_(make_spec(options_)) {
  check_options(options_, scene_);
}

MujocoEnv::~MujocoEnv() = default;

double MujocoEnv::max_reward() const { return kHighestStage; }
std::vector<std::string> MujocoEnv::stage_names() const { return transfer_stage_names(); }

Observation MujocoEnv::reset(std::uint64_t seed, bool render) {
  start_episode(scene_, draw_placement(seed), data_.get());
  running_ = true;
  has_reset_ = true;
  steps_ = 0;
  steps_at_highest_ = 0;
  info_ = {};
  return observe(render);
}

void MujocoEnv::check_begun() const {
  if (has_reset_) return;
  throw Error(
      {.what = "no episode has begun", .where = "mujoco_env", .next = "call reset(seed) first"});
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
    throw Error({.what = "an action of the wrong size",
                 .where = "mujoco_env",
                 .expected = fmt::format("{} numbers", kStateDim),
                 .found = action.defined() ? fmt::format("{}", action.numel()) : "none"});
  }
  const at::Tensor numbers = action.detach().to(at::kCPU, at::kDouble).contiguous();
  const double* values = numbers.data_ptr<double>();
  for (int i = 0; i < kStateDim; ++i) {
    if (std::isfinite(values[i])) continue;
    throw Error({.what = fmt::format("number {} of the action is not finite", i),
                 .where = "mujoco_env",
                 .found = fmt::format("{}", values[i])});
  }
  for (int side = 0; side < kNumArms; ++side) {
    const ArmIndices& arm = scene_.arms[side];
    const double* command = values + side * kArmDim;
    for (int i = 0; i < kNumJoints; ++i) {
      data_->ctrl[arm.actuator[i]] = std::clamp(command[i], arm.lower[i], arm.upper[i]);
    }
    const double travel = kFingerTravel * std::clamp(command[kNumJoints], 0.0, 1.0);
    for (const int actuator : arm.finger_actuator) data_->ctrl[actuator] = travel;
  }
}

StepResult MujocoEnv::step(const at::Tensor& action, bool render) {
  check_running();
  apply(action);
  simulator_call([&] {
    for (int i = 0; i < kSubSteps; ++i) mj_step(scene_.model.get(), data_.get());
  });
  if (is_unstable(data_.get())) {
    running_ = false;
    throw Error({.what = "the simulation became unstable",
                 .where = "mujoco_env",
                 .found = fmt::format("values that are not finite at step {}", steps_),
                 .next = "look at the actions, or at the contacts of env.model_file"});
  }
  // mj_step leaves poses and contacts one sub-step behind; this brings them up to the positions and
  // leaves the solver's warm start alone.
  simulator_call([&] { mj_fwdPosition(scene_.model.get(), data_.get()); });

  ++steps_;
  const int stage = current_stage(scene_, data_.get());
  steps_at_highest_ = stage == kHighestStage ? steps_at_highest_ + 1 : 0;
  info_.stage = std::max<std::int64_t>(info_.stage, stage);
  info_.success = info_.success || stage == kHighestStage;
  info_.stable_success = info_.stable_success || steps_at_highest_ >= kStableSteps;

  StepResult result;
  result.reward = stage;
  result.truncated = steps_ >= options_.max_steps;
  result.info = info_;
  running_ = !result.truncated;
  result.observation = observe(render);
  return result;
}

Observation MujocoEnv::observe(bool render) {
  check_begun();
  Observation observation;
  observation.state = at::empty({kStateDim}, at::kFloat);
  observation.velocity = at::empty({kStateDim}, at::kFloat);
  observation.env_state = at::empty({kBoxStateDim}, at::kFloat);
  for (int side = 0; side < kNumArms; ++side) {
    const ArmIndices& arm = scene_.arms[side];
    float* state = observation.state.data_ptr<float>() + side * kArmDim;
    float* velocity = observation.velocity.data_ptr<float>() + side * kArmDim;
    read_arm(data_->qpos, arm.position, arm.finger_position, state);
    read_arm(data_->qvel, arm.velocity, arm.finger_velocity, velocity);
  }
  float* box = observation.env_state.data_ptr<float>();
  for (int i = 0; i < kBoxStateDim; ++i) {
    box[i] = static_cast<float>(data_->qpos[scene_.box_position + i]);
  }
  if (!render) return observation;
  for (const std::string& camera : options_.camera_names) {
    observation.images[camera] = this->render(camera, spec_.images.at(camera));
  }
  return observation;
}

std::unique_ptr<Expert> MujocoEnv::make_expert(double noise, std::uint64_t seed) {
  check_running();
  return std::make_unique<TransferExpert>(
      scene_, data_.get(),
      WayPointNoise{.everywhere = noise, .in_the_air = options_.expert_path_noise}, seed);
}

std::vector<std::array<double, 3>> MujocoEnv::end_effector_positions() const {
  check_begun();
  std::vector<std::array<double, 3>> positions;
  for (const ArmIndices& arm : scene_.arms) {
    const double* position = data_->xpos + 3 * arm.link7_body;
    positions.push_back({position[0], position[1], position[2]});
  }
  return positions;
}

std::vector<std::string> MujocoEnv::end_effector_names() const {
  return {"left_link7", "right_link7"};
}

std::map<std::string, at::Tensor> MujocoEnv::labels() const {
  std::map<std::string, at::Tensor> labels = Environment::labels();
  labels["box_position"] =
      at::tensor(at::ArrayRef<double>(data_->qpos + scene_.box_position, 3), at::kFloat);
  return labels;
}

at::Tensor MujocoEnv::render(const std::string& camera, ImageSize size) {
  check_begun();
  return renderer_.draw(data_.get(), camera, size);
}

std::optional<std::array<double, 2>> MujocoEnv::project(const std::string& camera, ImageSize size,
                                                        const std::array<double, 3>& point) const {
  check_begun();
  return project_point(scene_, data_.get(), find_camera(scene_, camera), size, point);
}

}  // namespace roboimi::mujoco_env
