// roboimi doctor: says whether this machine is ready, and what to do where it is not.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <torch/cuda.h>
#include <torch/version.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/commands.h"
#include "app/common_options.h"
#include "roboimi/common/bfloat16.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/contract/environment.h"
#include "roboimi/io/video.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr double kGigabyte = 1e9;
constexpr double kLittleDisk = 5.0, kNoDisk = 0.5;      // gigabytes
constexpr double kLittleMemory = 4.0, kNoMemory = 1.0;  // gigabytes

enum class Verdict { kOk, kWarn, kFail };

struct Finding {
  Verdict verdict = Verdict::kOk;
  std::string subject;
  std::string text;
  std::string next = {};  // what to do; empty when all is well
};

const char* word_of(Verdict verdict) {
  return verdict == Verdict::kOk ? "ok" : verdict == Verdict::kWarn ? "warn" : "fail";
}

Verdict judge(double amount, double little, double none) {
  return amount < none ? Verdict::kFail : amount < little ? Verdict::kWarn : Verdict::kOk;
}

// Not a fault where it is missing: every default is fp32 or `auto`.
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
                        .next = "take one of the two files away"});
  }
  for (const fs::path& folder : plugin_search_path(plugin_dirs)) {
    const bool there = fs::is_directory(folder);
    findings.push_back({.verdict = there ? Verdict::kOk : Verdict::kWarn,
                        .subject = "plugin folder",
                        .text = folder.string() + (there ? "" : " is not there"),
                        .next = there ? "" : "correct --plugin-path or ROBOIMI_PLUGIN_PATH"});
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
         .text = fmt::format("{}: the plugin '{}' is taken from {}", plugin.file.string(),
                             plugin.name, plugin.by.string())});
  }
  for (const RejectedPlugin& plugin : registry.rejected()) {
    findings.push_back({.verdict = Verdict::kWarn,
                        .subject = "rejected plugin",
                        .text = plugin.file.string() + ": " + plugin.reason,
                        .next = "mend it, or take it out of the folder"});
  }
}

bool needs_options(const Schema& schema) {
  return std::ranges::any_of(schema.options(), [](const OptionSpec& o) { return o.required; });
}

// Draws one frame of each camera of an environment. A robot stays where it is.
std::string try_to_draw(Environment& environment) {
  if (environment.scene() == nullptr) return "opened, not moved: without a scene it may be a robot";
  environment.reset(0, false);
  const auto start = std::chrono::steady_clock::now();
  const Observation observation = environment.reset(0, true);
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
  return fmt::format("drew {} camera(s) in {:.0f} ms", observation.images().size(), spent.count());
}

// Makes each environment with its default options and tries it.
void check_environments(std::vector<Finding>& findings) {
  Registry& registry = Registry::instance();
  for (const ComponentInfo& info : registry.components()) {
    if (info.kind != ComponentKind::kEnvironment) continue;
    Finding finding{.subject = "environment " + info.name, .text = ""};
    if (needs_options(info.schema)) {
      finding.text = "not tried: it has options without a default";
      findings.push_back(finding);
      continue;
    }
    try {
      ConfigNode node = ConfigNode::map();
      node.set("type", ConfigNode::scalar(info.name));
      finding.text = try_to_draw(*registry.create<Environment>(node, "env"));
    } catch (const std::exception& error) {
      finding.verdict = Verdict::kFail;
      finding.text = one_line_message(error);
      finding.next = "no rollouts and no collecting of demonstrations until this works";
    }
    findings.push_back(finding);
  }
}

void check_disk(std::vector<Finding>& findings) {
  const double free = static_cast<double>(fs::space(fs::current_path()).available) / kGigabyte;
  const Verdict verdict = judge(free, kLittleDisk, kNoDisk);
  findings.push_back(
      {.verdict = verdict,
       .subject = "disk",
       .text = fmt::format("{:.1f} GB free in {}", free, fs::current_path().string()),
       .next = verdict == Verdict::kOk ? "" : "make room: runs and caches lie here"});
}

void check_memory(std::vector<Finding>& findings) {
  std::ifstream file("/proc/meminfo");
  double available = 0.0;  // kB
  for (std::string key, rest; file >> key && std::getline(file, rest);) {
    if (key == "MemAvailable:") available = std::strtod(rest.c_str(), nullptr);
  }
  available *= 1024.0 / kGigabyte;
  const Verdict verdict = judge(available, kLittleMemory, kNoMemory);
  findings.push_back({.verdict = verdict,
                      .subject = "memory",
                      .text = fmt::format("{:.1f} GB available", available),
                      .next = verdict == Verdict::kOk ? "" : "close programs, or take size=small"});
}

// Writes one second of video where temporary files go.
void check_video(std::vector<Finding>& findings) {
  Finding finding{.subject = "video", .text = ""};
  const fs::path file = fs::temp_directory_path() / fmt::format("roboimi_doctor_{}.mp4", getpid());
  try {
    VideoWriter video(file, {.height = 64, .width = 64}, 20.0);
    for (int i = 0; i < 20; ++i) video.add(at::full({64, 64, 3}, i, at::kByte));
    const std::string encoder = video.encoder();
    video.close();
    finding.text = "MP4 by " + encoder;
    if (encoder.find("264") == std::string::npos) {
      finding.verdict = Verdict::kWarn;
      finding.next = "install an FFmpeg with libx264 for files that every browser plays";
    }
  } catch (const std::exception& error) {
    finding.verdict = Verdict::kFail;
    finding.text = one_line_message(error);
    finding.next = "install FFmpeg's libraries with an MP4 encoder; videos cannot be written";
  }
  std::error_code ignored;
  fs::remove(file, ignored);
  findings.push_back(finding);
}

void print(const std::vector<Finding>& findings, bool as_json) {
  if (!as_json) {
    for (const Finding& finding : findings) {
      fmt::print("{:<4}  {:<24}  {}\n", word_of(finding.verdict), finding.subject, finding.text);
      if (!finding.next.empty()) fmt::print("{:<32}-> {}\n", "", finding.next);
    }
    return;
  }
  auto all = nlohmann::json::array();
  for (const Finding& finding : findings) {
    all.push_back({{"verdict", word_of(finding.verdict)},
                   {"subject", finding.subject},
                   {"text", finding.text},
                   {"next", finding.next}});
  }
  fmt::print("{}\n", json_text(all));
}

}  // namespace

int doctor_command(const Arguments& arguments) {
  po::options_description options("options");
  options.add_options()("json", "print JSON for a program to read")(
      "plugin-path", po::value<std::vector<std::string>>()->composing(),
      "also search this folder; may be repeated")("help,h", "this text");
  po::variables_map values;
  try {
    po::store(po::command_line_parser(arguments).style(kExactNames).options(options).run(), values);
  } catch (const po::error& error) {
    throw Error({.what = error.what(), .next = "see roboimi doctor --help"});
  }
  if (values.count("help")) {
    std::cout << "usage: roboimi doctor [--json]\n\n"
                 "Says whether this machine is ready; the exit status is 1 when something that is "
                 "needed fails.\n\nexample: roboimi doctor --plugin-path ./build/plugins\n\n"
              << options;
    return EXIT_SUCCESS;
  }
  std::vector<fs::path> plugin_dirs;
  if (values.count("plugin-path")) {
    const auto& folders = values["plugin-path"].as<std::vector<std::string>>();
    plugin_dirs.assign(folders.begin(), folders.end());
  }
  std::vector<Finding> findings;
  check_versions(findings);
  check_plugins(plugin_dirs, findings);
  check_environments(findings);
  check_disk(findings);
  check_memory(findings);
  check_video(findings);
  print(findings, values.count("json") != 0);
  const bool failed = std::ranges::any_of(
      findings, [](const Finding& finding) { return finding.verdict == Verdict::kFail; });
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace roboimi::app
