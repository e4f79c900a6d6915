#include "roboimi/train/preflight.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/data/cache_folder.h"
#include "roboimi/io/video.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/rollout/film_frame.h"
#include "roboimi/rollout/fit.h"
#include "roboimi/train/agent_to_train.h"
#include "roboimi/train/cpu_speed.h"
#include "roboimi/train/graphed_step.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// Bytes. Leaves room for the date and number in the folder's name and for temporary file names.
constexpr std::size_t kLongestName = 200;
// In addition to the best ones: the newest, and the one being written.
constexpr std::int64_t kOtherCheckpoints = 2;
// A checkpoint holds each trained weight three more times: its average and the optimizer's moments.
constexpr std::uintmax_t kTrainedCopies = 3;
constexpr double kMegabyte = 1e6;
constexpr double kVideoRate = 20.0;  // frames per second; any rate that encoders accept

void require_run_name(const Options& experiment) {
  const std::string& name = experiment.text("name");
  const bool is_line = std::none_of(name.begin(), name.end(),
                                    [](unsigned char letter) { return std::iscntrl(letter) != 0; });
  std::string expected;
  if (name.empty() || name == "." || name == "..") expected = "a name";
  if (name.find('/') != std::string::npos) expected = "a name without '/'";
  if (!is_line) expected = "a name without line breaks or other control characters";
  if (name.size() > kLongestName) {
    expected = fmt::format("at most {} bytes, not {}", kLongestName, name.size());
  }
  if (expected.empty()) return;
  experiment.fail("name", "not usable as the end of the run folder's name", expected,
                  "output_dir=FOLDER chooses where the run's folder is made");
}

void require_folders(const PreflightOptions& options) {
  if (options.resume) {
    require_writable_folder(*options.resume, "--resume");
    return;
  }
  require_run_name(options.experiment);
  require_writable_folder(options.experiment.text("output_dir"), "output_dir");
}

std::optional<Checkpoint> read_resumed(const PreflightOptions& options) {
  if (!options.resume) return std::nullopt;
  require_run_to_resume(*options.resume);
  return read_newest_checkpoint(*options.resume / kCheckpointsFolder);
}

// Throws if the run already has more steps than train.max_steps.
void require_steps_left(const PreflightOptions& options, const Checkpoint& resumed) {
  const std::int64_t step = resumed.state.step;
  if (step <= options.train.max_steps) return;
  throw Error({.what = "the run already has more steps than train.max_steps",
               .where = options.resume->string(),
               .expected = fmt::format("train.max_steps of at least {}", step),
               .found = std::to_string(options.train.max_steps)});
}

std::shared_ptr<Environment> make_environment(const PreflightOptions& options, Agent& agent) {
  try {
    const auto environment =
        Registry::instance().create<Environment>(options.experiment.component("env"), "env");
    require_fit(agent, environment->spec());
    const bool sees = agent.backbone() != nullptr || agent.make_actor({})->needs_images();
    try_environment(*environment, options.train.rollout_seed, sees, /*films=*/true);
    return environment;
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    parts.next +=
        (parts.next.empty() ? "" : "; ") + std::string("env=null trains without rollouts");
    throw Error(std::move(parts));
  }
}

// The frames of the rollouts' videos.
ImageSize video_size(const ObservationSpec& environment) {
  std::vector<ImageSize> views;
  for (const std::string& camera : environment.camera_names()) {
    views.push_back(environment.image_size(camera));
  }
  return film_frame_size(views);
}

// Bytes of the cache file, unless an earlier run has written it.
std::uintmax_t missing_cache_bytes(const PreflightOptions& options, const fs::path& folder,
                                   const Dataset& dataset, const Backbone* backbone) {
  const std::uintmax_t bytes = cache_bytes(dataset, backbone, options.cache, options.data.device);
  std::error_code error;
  if (bytes == 0 || !fs::is_directory(folder, error)) return bytes;
  const fs::path file = cache_file(dataset, backbone, folder, options.cache, options.data);
  return fs::exists(file, error) ? 0 : bytes;
}

void measure(const PreflightOptions& options, Preflight& found) {
  // Count the weights.
  std::uintmax_t all = 0, trained = 0;
  for (const at::Tensor& weights : found.agent->parameters()) {
    found.num_parameters += weights.numel();
    all += weights.nbytes();
    if (!weights.requires_grad()) continue;
    found.num_trained += weights.numel();
    trained += weights.nbytes();
  }
  for (const at::Tensor& buffer : found.agent->buffers()) all += buffer.nbytes();
  found.checkpoint_bytes = all + kTrainedCopies * trained;
  // Estimate the cache and check the disk space.
  const Dataset& dataset = *found.data.dataset;
  const fs::path folder =
      options.cache.folder ? *options.cache.folder : planned_cache_folder(dataset);
  found.cache_bytes = missing_cache_bytes(options, folder, dataset, found.agent->backbone());
  if (options.communicator.rank() != 0) return;
  require_space(folder, found.cache_bytes, "the cache",
                "set cache.folder to a folder with more space");
  require_space(options.resume ? *options.resume : fs::path(options.experiment.text("output_dir")),
                found.checkpoint_bytes, "a checkpoint",
                "set output_dir to a folder with more space");
}

Preflight check(const PreflightOptions& options) {
  const bool leads = options.communicator.rank() == 0;
  // Device, folders and the run to resume.
  check_cuda_graph(options.train.cuda_graph, options.data.device);
  Preflight found{.resumed = read_resumed(options)};
  if (leads) require_folders(options);
  if (leads && found.resumed) require_steps_left(options, *found.resumed);
  // Data and agent.
  Registry& registry = Registry::instance();
  const ConfigNode& data = options.experiment.component("data");
  const std::shared_ptr<const Dataset> dataset =
      options.resume ? open_recorded_data(data) : registry.create<Dataset>(data, "data");
  std::optional<ResumedRun> resumed;
  if (found.resumed) resumed = {.folder = *options.resume, .weights = found.resumed->model};
  found.agent = create_agent_to_train(options.experiment.component("agent"), dataset->spec(),
                                      options.data.seed, resumed);
  found.agent->to(options.data.device);
  found.data = lay_out_training_data(dataset, *found.agent, options.data);
  // Rollouts and disk space.
  const bool rolls_out = options.train.rollout_num_episodes > 0 && options.experiment.has("env") &&
                         found.agent->make_actor({}) != nullptr;
  if (leads && rolls_out) {
    found.environment = make_environment(options, *found.agent);
    if (options.train.rollout_num_videos > 0 && filming_camera(*found.environment)) {
      VideoWriter::require_encoder(video_size(found.environment->spec()), kVideoRate);
    }
  }
  measure(options, found);
  return found;
}

// "1 episode", "2 episodes".
std::string counted(std::int64_t count, const std::string& unit) {
  return fmt::format("{} {}{}", count, unit, count == 1 ? "" : "s");
}

std::string row(const char* name, const std::string& text) {
  return fmt::format("{:<14}{}\n", name, text);
}

std::string megabytes(std::uintmax_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / kMegabyte);
}

}  // namespace

Preflight run_preflight(const PreflightOptions& options) {
  Preflight found;
  std::exception_ptr failure;
  try {
    found = check(options);
  } catch (...) {
    failure = std::current_exception();
  }
  const bool failed = any_process(failure != nullptr, options.communicator);
  if (failure) std::rethrow_exception(failure);
  if (failed) {
    throw Error({.what = "a check failed in another process of this training",
                 .where = fmt::format("rank {} of {}", options.communicator.rank(),
                                      options.communicator.size()),
                 .next = "see the error of that process"});
  }
  return found;
}

std::string describe_plan(const Preflight& preflight, const PreflightOptions& options) {
  const TrainOptions& train = options.train;
  // Count windows, checkpoints and epochs.
  const std::int64_t windows = preflight.data.sampler->num_windows();
  const std::int64_t kept = train.keep_top_k + kOtherCheckpoints;
  const double drawn =
      static_cast<double>(train.max_steps) *
      static_cast<double>(train.batch_size * train.accumulate * options.communicator.size());
  // Describe the rollouts and the run folder.
  std::string rollouts = "none";
  if (preflight.environment != nullptr) {
    rollouts = train.rollout_every > 0 ? "every " + counted(train.rollout_every, "step")
                                       : std::string("at the end");
    rollouts = counted(train.rollout_num_episodes, "episode") + " " + rollouts;
  }
  const std::string folder = options.resume ? options.resume->string() + ", continued"
                                            : (fs::path(options.experiment.text("output_dir")) /
                                               ("<date>_<time>_" + options.experiment.text("name")))
                                                  .string();
  std::string draws;
  for (const std::string& line : preflight.data.describe_shares()) draws += row("draws", line);
  const bool is_slow = options.data.device.is_cpu() && preflight.num_trained > kManyForCpu;
  const std::string advice =
      is_slow ? row("advice",
                    fmt::format("training so many parameters is slow on a CPU: {}", kCpuAdvice))
              : "";
  // The table, one row per topic.
  return row("parameters", fmt::format("{}, of which {} are trained", preflight.num_parameters,
                                       preflight.num_trained)) +
         row("data",
             fmt::format("{}, {} held out, {}",
                         counted(std::ssize(preflight.data.training_episodes), "training episode"),
                         preflight.data.held_out_episodes.size(), counted(windows, "window"))) +
         draws +
         row("training",
             fmt::format("{}, {:.1f} epochs, on {}", counted(train.max_steps, "step"),
                         drawn / static_cast<double>(windows), options.data.device.str())) +
         advice + row("rollouts", rollouts) +
         row("disk", fmt::format("{} of cache to write, {} per checkpoint, at most {} checkpoints",
                                 megabytes(preflight.cache_bytes),
                                 megabytes(preflight.checkpoint_bytes), kept)) +
         row("folder", folder) + "nothing was written\n";
}

void require_run_to_resume(const fs::path& run) {
  const auto fail = [&](const std::string& found, const std::string& next) {
    throw Error({.what = "no run to resume",
                 .where = run.string(),
                 .expected = "a run folder with a checkpoint in its checkpoints folder",
                 .found = found,
                 .next = next});
  };
  std::error_code error;
  if (!fs::exists(run, error)) fail("no such file or folder", "");
  if (!fs::is_directory(run, error)) fail("a file", "");
  if (fs::exists(run / "state.json", error)) {
    fail("a checkpoint", "name the run folder, which contains the checkpoints folder");
  }
  if (!fs::is_directory(run / kCheckpointsFolder, error)) fail("no checkpoints folder", "");
  try {
    find_checkpoint(run / kCheckpointsFolder);
  } catch (const Error&) {
    fail("no checkpoint",
         "the run ended before its first checkpoint; start it again without --resume");
  }
}

void require_space(const fs::path& folder, std::uintmax_t bytes, const std::string& what,
                   const std::string& next) {
  if (bytes == 0) return;
  std::error_code error;
  const fs::space_info space = fs::space(nearest_existing(folder), error);
  // A file system that does not know its size reports 0.
  if (error || space.capacity == 0 || space.available >= bytes) return;
  throw Error({.what = "not enough disk space for " + what,
               .where = folder.string(),
               .expected = megabytes(bytes),
               .found = megabytes(space.available),
               .next = next});
}

}  // namespace roboimi
