#include "roboimi/testing/environment_checks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "roboimi/contract/scene.h"
#include "roboimi/testing/same_tensor.h"

namespace roboimi::testing {
namespace {

using MadeEnvironment = std::shared_ptr<Environment>;

MadeEnvironment make(const EnvironmentSubject& subject) {
  MadeEnvironment environment = subject.make();
  require(environment != nullptr, "the factory returns no environment");
  return environment;
}

// The scene; skips the check if there is none (a real robot).
Scene& scene_of(Environment& environment) {
  Scene* const scene = environment.scene();
  if (scene == nullptr) skip("the environment has no scene");
  return *scene;
}

// The subject's gentle action; skips the check if it knows none.
at::Tensor gentle_action(const EnvironmentSubject& subject, Environment& environment,
                         const Observation& observation) {
  at::Tensor action = subject.gentle_action(environment, observation);
  if (!action.defined()) {
    skip(
        "no safe command is known for an environment without a scene; to run this check, override "
        "EnvironmentSubject::gentle_action() in a test");
  }
  return action;
}

void require_fit(const ObservationSpec& spec, const Observation& observation, bool rendered) {
  for (const StreamSpec& stream : spec.streams) {
    const at::Tensor values = observation.get(stream.name);
    if (stream.is_image() && !rendered) {
      require(!values.defined(), "images are rendered although render is false");
      continue;
    }
    require(values.defined(), fmt::format("{} '{}' of spec() is missing in an observation",
                                          stream.is_image() ? "camera" : "stream", stream.name));
    require(values.scalar_type() == stream.dtype && values.sizes() == stream.shape,
            fmt::format("{} of an observation is not {} [{}], as spec() declares", stream.name,
                        stream.kind == StreamKind::kRgb ? "uint8" : c10::toString(stream.dtype),
                        fmt::join(stream.shape, ", ")));
    require(!values.is_floating_point() || values.isfinite().all().item<bool>(),
            fmt::format("{} of an observation is not finite", stream.name));
  }
}

// The name of a stream of `a` that `b` lacks or that differs in `b`; empty if there is none.
std::string changed_stream(const Observation& a, const Observation& b) {
  for (const auto& [name, values] : a) {
    if (!same_tensor(values, b.get(name))) return name;
  }
  return "";
}

bool same(const Observation& a, const Observation& b) {
  return changed_stream(a, b).empty() && changed_stream(b, a).empty();
}

// A scene's values for its end effectors.
struct EndEffectors {
  std::vector<std::array<double, 3>> positions, tools;
  std::vector<bool> holding;

  explicit EndEffectors(const Scene& scene)
      : positions(scene.end_effector_positions()),
        tools(scene.tool_positions()),
        holding(scene.holding()) {}
  bool operator==(const EndEffectors&) const = default;
};

bool are_finite(const std::vector<std::array<double, 3>>& points) {
  return std::ranges::all_of(points, [](const auto& point) {
    return std::ranges::all_of(point, [](double value) { return std::isfinite(value); });
  });
}

void environment_spec_is_complete(const EnvironmentSubject& subject) {
  const MadeEnvironment environment = make(subject);
  const ObservationSpec& spec = environment->spec();
  require(!spec.streams.empty() && spec.action_dim > 0, "spec() has no stream or no action");
  require(environment->max_steps() > 0, "max_steps() is not positive; episodes must end");
}

void scene_is_complete(const EnvironmentSubject& subject) {
  const MadeEnvironment environment = make(subject);
  Scene& scene = scene_of(*environment);
  require(scene.max_reward() > 0, "max_reward() is not positive");
  require(!scene.stage_names().empty(), "stage_names() is empty; name stage 0");
  require(environment->scene() == &scene,
          "scene() returns a different scene on its second call; keep one for the environment's "
          "lifetime");
}

void observations_fit_the_spec(const EnvironmentSubject& subject) {
  const MadeEnvironment environment = make(subject);
  for (const bool render : {false, true}) {
    const Observation first = environment->reset(3, render);
    require_fit(environment->spec(), first, render);
    require_fit(environment->spec(), environment->observe(render), render);
    const at::Tensor action = subject.gentle_action(*environment, first);
    if (!action.defined()) continue;
    const StepResult result = environment->step(action, render);
    require_fit(environment->spec(), result.observation, render);
    require_fit(environment->spec(), environment->observe(render), render);
  }
}

void seed_decides_the_episode(const EnvironmentSubject& subject) {
  const MadeEnvironment environment = make(subject);
  scene_of(*environment);
  const MadeEnvironment other = make(subject);
  const Observation first = environment->reset(11, true);
  other->reset(12, false);  // an earlier episode, which must not matter
  require(same(first, other->reset(11, true)),
          "reset() with the same seed gives different initial states; use only the seed");
  for (int step = 0; step < 5; ++step) {
    const at::Tensor action = gentle_action(subject, *environment, first) + 0.01 * step;
    const StepResult a = environment->step(action, false), b = other->step(action, false);
    require(same(a.observation, b.observation) && a.reward == b.reward,
            fmt::format("the same seed and actions give different results at step {}; the world "
                        "must depend on nothing else",
                        step));
  }
}

void seeds_differ(const EnvironmentSubject& subject) {
  const MadeEnvironment environment = make(subject);
  scene_of(*environment);
  const Observation first = environment->reset(0, true);
  for (std::uint64_t seed = 1; seed < 10; ++seed) {
    if (!same(first, environment->reset(seed, true))) return;
  }
  require(false, "ten seeds give the same initial state; vary it with the seed");
}

// Checks a step against the scene's declarations.
void require_in_scene(const Scene& scene, const StepResult& result) {
  require(result.reward <= scene.max_reward(),
          fmt::format("a reward of {} exceeds max_reward() {}", result.reward, scene.max_reward()));
  require(result.info.stage < std::ssize(scene.stage_names()),
          fmt::format("stage {} has no name", result.info.stage));
}

void episodes_end(const EnvironmentSubject& subject) {
  // Run an episode to its end.
  const MadeEnvironment environment = make(subject);
  Scene* const scene = environment->scene();
  const Observation first = environment->reset(5, false);
  const at::Tensor action = gentle_action(subject, *environment, first);
  StepResult result;
  std::int64_t steps = 0;
  while (!result.terminated && !result.truncated) {
    require(steps < environment->max_steps(),
            "step() neither terminates nor truncates within max_steps() steps");
    result = environment->step(action, false);
    ++steps;
    require(std::isfinite(result.reward) && result.info.stage >= 0,
            fmt::format("step {} returns reward {} and stage {}; the reward must be finite and the "
                        "stage at least 0",
                        steps, result.reward, result.info.stage));
    if (scene != nullptr) require_in_scene(*scene, result);
  }
  require(!result.truncated || steps == environment->max_steps(),
          fmt::format("truncated after {} steps, but max_steps() is {}", steps,
                      environment->max_steps()));
  // The next one needs a reset.
  require_error("a step after the end", {"reset"}, [&] { environment->step(action, false); });
  const Observation again = environment->reset(5, false);
  require(scene == nullptr || same(first, again),
          "reset() after an episode gives a different initial state");
  environment->step(gentle_action(subject, *environment, again), false);
}

void step_needs_a_reset(const EnvironmentSubject& subject) {
  // A robot that accepts the command must not move far, so use the command of an earlier episode.
  at::Tensor action;
  {
    const MadeEnvironment earlier =
        make(subject);  // closed before the next one: there may be only one robot
    action = gentle_action(subject, *earlier, earlier->reset(4, false));
  }
  const MadeEnvironment environment = make(subject);
  require_error("a step before the first reset", {"reset"},
                [&] { environment->step(action, false); });
}

void bad_actions_are_refused(const EnvironmentSubject& subject) {
  const MadeEnvironment environment = make(subject);
  const Observation first = environment->reset(2, false);
  const at::Tensor action = gentle_action(subject, *environment, first);
  require_error("an action that is too long", {"action"}, [&] {
    environment->step(at::cat({action, action}), false);
  });
  require_error("an action that is not a number", {"action"},
                [&] { environment->step(at::full_like(action, std::nan("")), false); });
  environment->step(action, false);
}

void renders_any_size(const EnvironmentSubject& subject) {
  const MadeEnvironment environment = make(subject);
  Scene& scene = scene_of(*environment);
  if (environment->spec().camera_names().empty()) skip("the environment has no camera");
  environment->reset(1, false);
  const std::string camera = environment->spec().camera_names().front();
  const at::Tensor image = scene.render(camera, {48, 64});
  require(image.scalar_type() == at::kByte && image.sizes() == at::IntArrayRef({48, 64, 3}),
          "render() does not return uint8 [height, width, 3] of the requested size");
  require_error("an unknown camera", {"no_such_camera"}, [&] {
    scene.render("no_such_camera", {48, 64});
  });
}

void rendering_changes_nothing(const EnvironmentSubject& subject) {
  // Step two environments in the same way, of which one renders.
  const MadeEnvironment environment = make(subject);
  const Scene& scene = scene_of(*environment);
  const MadeEnvironment other = make(subject);
  Scene& rendered = scene_of(*other);
  const Observation first = environment->reset(8, false);
  other->reset(8, true);
  const at::Tensor action = gentle_action(subject, *environment, first);
  for (int step = 0; step < 5; ++step) {
    const Observation expected = environment->step(action, false).observation;
    const Observation found = other->step(action, true).observation;
    const std::string changed = changed_stream(expected, found);
    require(changed.empty(), fmt::format("rendering images changes the {}", changed));
    require(EndEffectors(scene) == EndEffectors(rendered),
            "rendering images changes the end effectors' positions, tools or holding()");
    // Observe and render it once more.
    other->observe(true);
    for (const std::string& camera : other->spec().camera_names()) {
      rendered.render(camera, other->spec().image_size(camera));
    }
    require(same(environment->observe(false), other->observe(false)) &&
                EndEffectors(scene) == EndEffectors(rendered),
            "observe() or Scene::render() changes the observation, the end effectors' positions, "
            "tools or holding()");
  }
}

void end_effectors_have_names(const EnvironmentSubject& subject) {
  const MadeEnvironment environment = make(subject);
  Scene& scene = scene_of(*environment);
  environment->reset(1, false);
  require(scene.end_effector_positions().size() == scene.end_effector_names().size(),
          "the numbers of end-effector positions and names differ");
  require(are_finite(scene.end_effector_positions()), "end_effector_positions() are not finite");
}

void each_end_effector_has_a_tool(const EnvironmentSubject& subject) {
  const MadeEnvironment environment = make(subject);
  Scene& scene = scene_of(*environment);
  environment->reset(1, false);
  const std::size_t count = scene.end_effector_names().size();
  const auto require_count = [&](const std::string& function, std::size_t found) {
    require(found == count, fmt::format("{} returns {} values for {} end effectors; return one "
                                        "for each of end_effector_names()",
                                        function, found, count));
  };
  require_count("tool_positions()", scene.tool_positions().size());
  require_count("holding()", scene.holding().size());
  require(are_finite(scene.tool_positions()), "tool_positions() are not finite");
}

}  // namespace

at::Tensor EnvironmentSubject::gentle_action(Environment& environment,
                                             const Observation& observation) const {
  if (environment.scene() == nullptr) return {};
  const ObservationSpec& spec = environment.spec();
  return spec.action_dim == spec.state_dim() ? observation.at(kState).clone()
                                             : at::zeros({spec.action_dim});
}

const std::vector<Check<EnvironmentSubject>>& environment_checks() {
  static const std::vector<Check<EnvironmentSubject>> checks = {
      {"spec_is_complete", "policies are built from it", environment_spec_is_complete},
      {"scene_is_complete", "rollouts report its rewards and stages", scene_is_complete},
      {"observations_fit_the_spec", "a policy is built for these sizes", observations_fit_the_spec},
      {"seed_decides_the_episode", "policies are compared on the same seeds",
       seed_decides_the_episode},
      {"seeds_differ", "evaluation episodes must differ", seeds_differ},
      {"episodes_end", "an evaluation must end", episodes_end},
      {"step_needs_a_reset", "there is no state before the first reset", step_needs_a_reset},
      {"bad_actions_are_refused", "a diverged policy must cause a clear error",
       bad_actions_are_refused},
      {"renders_any_size", "videos and observations have different sizes", renders_any_size},
      {"rendering_changes_nothing", "only frames that the policy uses are rendered",
       rendering_changes_nothing},
      {"end_effectors_have_names", "rollouts plot their paths", end_effectors_have_names},
      {"each_end_effector_has_a_tool", "videos mark tools and what they hold",
       each_end_effector_has_a_tool},
  };
  return checks;
}

}  // namespace roboimi::testing
