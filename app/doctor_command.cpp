// The command `roboimi doctor`, which checks whether this machine is ready and suggests fixes.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <torch/cuda.h>
#include <torch/version.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/commands.h"
#include "app/common_options.h"
#include "roboimi/common/bfloat16.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/memory.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
#include "roboimi/io/video.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr double kGigabyte = 1e9;
// Below the first value the doctor warns, below the second the check fails. In gigabytes.
constexpr double kLowDisk = 5.0, kMinimumDisk = 0.5;
constexpr double kLowMemory = 4.0, kMinimumMemory = 1.0;

enum class Verdict { kOk, kWarn, kFail };

struct Finding {
  Verdict verdict = Verdict::kOk;
  std::string subject;
  std::string text;
  std::string next = {};  // how to fix it; empty if nothing is wrong
};

const char* verdict_text(Verdict verdict) {
  return verdict == Verdict::kOk ? "ok" : verdict == Verdict::kWarn ? "warn" : "fail";
}

Verdict verdict_of(double amount, double low, double minimum) {
  return amount < minimum ? Verdict::kFail : amount < low ? Verdict::kWarn : Verdict::kOk;
}

// Not a problem if it is missing: every default is fp32 or `auto`.
std::string bfloat16_text() {
  const CpuBfloat16& found = cpu_bfloat16();
  if (!found.works) return fmt::format("not available, `auto` uses fp32: {}", found.why_not);
  if (found.is_native) return "native: `auto` uses it";
  return "works, but slower than fp32 without AVX512-BF16: `auto` uses fp32";
}

void check_versions(std::vector<Finding>& findings) {
  findings.push_back({.subject = "roboimi", .text = ROBOIMI_VERSION});
  findings.push_back({.subject = "libtorch", .text = TORCH_VERSION});
  findings.push_back(
      {.subject = "CPU",
       .text = fmt::format("{}, {} threads of {}", at::get_cpu_capability(), at::get_num_threads(),
                           std::thread::hardware_concurrency())});
  findings.push_back({.subject = "bfloat16 on the CPU", .text = bfloat16_text()});
  const bool cuda = torch::cuda::is_available();
  findings.push_back({.subject = "CUDA",
                      .text = cuda ? fmt::format("{} device(s)", torch::cuda::device_count())
                                   : "not available: training and inference run on the CPU"});
}

void check_plugins(const std::vector<fs::path>& plugin_dirs, std::vector<Finding>& findings) {
  Registry& registry = Registry::instance();
  try {
    registry.load_search_path(plugin_dirs);
  } catch (const Error& error) {
    findings.push_back({.verdict = Verdict::kFail,
                        .subject = "plugins",
                        .text = error.what(),
                        .next = "remove one of the two files"});
  }
  for (const fs::path& folder : plugin_search_path(plugin_dirs)) {
    const bool exists = fs::is_directory(folder);
    findings.push_back({.verdict = exists ? Verdict::kOk : Verdict::kWarn,
                        .subject = "plugin folder",
                        .text = folder.string() + (exists ? "" : " does not exist"),
                        .next = exists ? "" : "correct --plugin-path or ROBOIMI_PLUGIN_PATH"});
  }
  const std::size_t count = registry.plugins().size();
  findings.push_back({.verdict = count > 0 ? Verdict::kOk : Verdict::kFail,
                      .subject = "plugins",
                      .text = fmt::format("{} loaded", count),
                      .next = count > 0 ? "" : "build the plugins, or give --plugin-path"});
  for (const LoadedPlugin& plugin : registry.plugins()) {
    if (!plugin.changed_on_disk) continue;
    findings.push_back({.verdict = Verdict::kWarn,
                        .subject = plugin.name,
                        .text = plugin.file.string() + " changed after it was loaded",
                        .next = "restart to use it"});
  }
  for (const ShadowedPlugin& plugin : registry.shadowed()) {
    findings.push_back(
        {.subject = "shadowed plugin",
         .text = fmt::format("{}: the plugin '{}' is loaded from {}", plugin.file.string(),
                             plugin.name, plugin.by.string())});
  }
  for (const RejectedPlugin& plugin : registry.rejected()) {
    findings.push_back({.verdict = Verdict::kWarn,
                        .subject = "rejected plugin",
                        .text = plugin.file.string() + ": " + plugin.reason,
                        .next = "fix it, or remove it from the folder"});
  }
}

bool needs_options(const Schema& schema) {
  return std::ranges::any_of(schema.options(), [](const OptionSpec& o) { return o.required; });
}

// Renders one frame of each camera of an environment. A robot is not moved.
std::string render_frames(Environment& environment) {
  if (environment.scene() == nullptr)
    return "opened but not reset: it has no scene and may be a robot";
  environment.reset(0, false);
  const auto start = std::chrono::steady_clock::now();
  const Observation observation = environment.reset(0, true);
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
  const std::string renderer = environment.scene()->renderer_name();
  return fmt::format("rendered {} camera(s) in {:.0f} ms{}", observation.images().size(),
                     spent.count(), renderer.empty() ? "" : " by " + renderer);
}

// Creates each environment with its default options and renders a frame.
void check_environments(std::vector<Finding>& findings) {
  Registry& registry = Registry::instance();
  for (const ComponentInfo& info : registry.components()) {
    if (info.kind != ComponentKind::kEnvironment) continue;
    Finding finding{.subject = "environment " + info.name, .text = ""};
    if (needs_options(info.schema)) {
      finding.text = "not tested: it has required options";
      findings.push_back(finding);
      continue;
    }
    try {
      ConfigNode node = ConfigNode::map();
      node.set("type", ConfigNode::scalar(info.name));
      finding.text = render_frames(*registry.create<Environment>(node, "env"));
    } catch (const std::exception& error) {
      finding.verdict = Verdict::kFail;
      finding.text = one_line_message(error);
      finding.next = "rollouts and the collection of demonstrations need it";
    }
    findings.push_back(finding);
  }
}

void check_disk(std::vector<Finding>& findings) {
  const double free = static_cast<double>(fs::space(fs::current_path()).available) / kGigabyte;
  const Verdict verdict = verdict_of(free, kLowDisk, kMinimumDisk);
  findings.push_back(
      {.verdict = verdict,
       .subject = "disk",
       .text = fmt::format("{:.1f} GB free in {}", free, fs::current_path().string()),
       .next = verdict == Verdict::kOk ? "" : "free some space for runs and caches"});
}

void check_memory(std::vector<Finding>& findings) {
  const double available = static_cast<double>(available_memory()) / kGigabyte;
  const Verdict verdict = verdict_of(available, kLowMemory, kMinimumMemory);
  findings.push_back({.verdict = verdict,
                      .subject = "memory",
                      .text = fmt::format("{:.1f} GB available", available),
                      .next = verdict == Verdict::kOk ? "" : "close programs, or use size=small"});
}

// Writes one second of video to the folder of temporary files.
void check_video(std::vector<Finding>& findings) {
  Finding finding{.subject = "video", .text = ""};
  const fs::path file = fs::temp_directory_path() / fmt::format("roboimi_doctor_{}.mp4", getpid());
  try {
    VideoWriter video(file, {.height = 64, .width = 64}, 20.0);
    for (int i = 0; i < 20; ++i) video.add(at::full({64, 64, 3}, i, at::kByte));
    const std::string encoder = video.encoder();
    video.close();
    finding.text = "MP4, encoded by " + encoder;
    if (encoder.find("264") == std::string::npos) {
      finding.verdict = Verdict::kWarn;
      finding.next = "install an FFmpeg with libx264, so that every browser plays the videos";
    }
  } catch (const std::exception& error) {
    finding.verdict = Verdict::kFail;
    finding.text = one_line_message(error);
    finding.next = "videos cannot be written: install FFmpeg's libraries with an MP4 encoder";
  }
  std::error_code ignored;
  fs::remove(file, ignored);
  findings.push_back(finding);
}

void print_findings(const std::vector<Finding>& findings, bool as_json) {
  if (!as_json) {
    for (const Finding& finding : findings) {
      fmt::print("{:<4}  {:<24}  {}\n", verdict_text(finding.verdict), finding.subject,
                 finding.text);
      if (!finding.next.empty()) fmt::print("{:<32}-> {}\n", "", finding.next);
    }
    return;
  }
  auto all = nlohmann::json::array();
  for (const Finding& finding : findings) {
    all.push_back({{"verdict", verdict_text(finding.verdict)},
                   {"subject", finding.subject},
                   {"text", finding.text},
                   {"next", finding.next}});
  }
  fmt::print("{}\n", json_text(all));
}

}  // namespace

int doctor_command(const Arguments& arguments) {
  // Read the arguments.
  po::options_description options("options");
  options.add_options()("json", "print JSON")(
      "plugin-path", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of plugins; may be repeated")("help,h", "print this help");
  po::variables_map values;
  try {
    po::store(po::command_line_parser(arguments).style(kExactNames).options(options).run(), values);
  } catch (const po::error& error) {
    throw Error({.what = error.what(), .next = "see roboimi doctor --help"});
  }
  if (values.count("help")) {
    std::cout << "usage: roboimi doctor [--json]\n\n"
                 "Checks whether this machine is ready. The exit status is 1 if a required check "
                 "fails.\n\nexample: roboimi doctor --plugin-path ./build/plugins\n\n"
              << options;
    return EXIT_SUCCESS;
  }
  std::vector<fs::path> plugin_dirs;
  if (values.count("plugin-path")) {
    const auto& folders = values["plugin-path"].as<std::vector<std::string>>();
    plugin_dirs.assign(folders.begin(), folders.end());
  }
  // Run the checks.
  std::vector<Finding> findings;
  check_versions(findings);
  check_plugins(plugin_dirs, findings);
  check_environments(findings);
  check_disk(findings);
  check_memory(findings);
  check_video(findings);
  print_findings(findings, values.count("json") != 0);
  const bool failed = std::ranges::any_of(
      findings, [](const Finding& finding) { return finding.verdict == Verdict::kFail; });
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace roboimi::app
