#include "roboimi/track/swanlab_follower.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/install_prefix.h"
#include "roboimi/common/log.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kFinishTimeout{30};
constexpr std::chrono::minutes kCheckTimeout{1};  // a longer import is assumed to hang
constexpr int kRefused = 4;  // status of the script: it has the package, but cannot use this mode

fs::path find_script() {
  const fs::path prefix = install_prefix();
  const std::string name = "scripts/swanlab_follow.py";
  // Search the installation and the source tree of this build.
  for (const fs::path& folder : {prefix / "share/roboimi", source_tree(prefix)}) {
    std::error_code error;
    if (!folder.empty() && fs::is_regular_file(folder / name, error)) return folder / name;
  }
  throw Error({.what = "track.swanlab: the script that shows runs is missing",
               .where = (prefix / "share/roboimi" / name).string(),
               .next = "install roboimi again, or set track.swanlab=off"});
}

constexpr const char* kVenvPython = ".venv/bin/python";

// Never uses a Python from the current folder, which may contain untrusted files.
std::vector<std::string> candidate_pythons(const fs::path& script) {
  if (const char* chosen = std::getenv("ROBOIMI_PYTHON")) return {chosen};
  std::vector<std::string> pythons;
  const fs::path own = script.parent_path().parent_path() / kVenvPython;
  if (fs::exists(own)) pythons.push_back(own.string());
  pythons.emplace_back("python3");
  return pythons;
}

// How to install the missing package.
std::string package_hint(const fs::path& script) {
  const fs::path here = fs::current_path() / kVenvPython;
  if (std::getenv("ROBOIMI_PYTHON") == nullptr && fs::exists(here)) {
    return "set ROBOIMI_PYTHON=" + here.string() +
           " to use the Python of the current folder, which is never used by default";
  }
  return "run scripts/setup.sh --swanlab, or install " +
         (script.parent_path() / "requirements-swanlab.txt").string() +
         " into a Python and set ROBOIMI_PYTHON to it";
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

void declare(OptionFields& fields, SwanlabOptions& o) {
  fields
      .text("swanlab", o.mode,
            "show the run in SwanLab, too; offline keeps it on disk for `swanlab sync`")
      .one_of({"off", "offline", "cloud"});
  fields.text("project", o.project, "project in SwanLab");
}

SwanlabProgram find_swanlab(const SwanlabOptions& options) {
  const fs::path script = find_script();
  const std::vector<std::string> pythons = candidate_pythons(script);
  std::string found;
  for (const std::string& python : pythons) {
    ProcessResult result{.status = -1};
    try {
      result = run_process({python, script.string(), "--check", "--mode", options.mode, "--project",
                            options.project},
                           "", kCheckTimeout);
      if (result.timed_out) {
        result.errors = fmt::format("no answer within {} min", kCheckTimeout.count());
      }
    } catch (const Error& error) {
      result.errors = one_line_message(error);
    }
    // The script prints one line: the path of the interpreter, or the reason for its failure.
    const std::string answer = first_line(result.output.empty() ? result.errors : result.output);
    if (result.status == 0) return {.python = answer, .script = script, .options = options};
    if (result.status == kRefused) {
      throw Error({.what = "track.swanlab=" + options.mode + ": " + answer, .where = python});
    }
    if (found.empty()) found = answer;
  }
  throw Error({.what = "track.swanlab=" + options.mode + ": the Python package swanlab is missing",
               .where = fmt::format("{}", fmt::join(pythons, ", ")),
               .found = found,
               .next = package_hint(script)});
}

std::vector<std::string> tracker_urls(const fs::path& run_folder) {
  const fs::path file = run_folder / "tracker.json";
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return {};
  const auto json = nlohmann::json::parse(read_text(file), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("url") || !json["url"].is_string()) return {};
  return {json["url"]};
}

SwanlabFollower::SwanlabFollower(const SwanlabProgram& program, fs::path run_folder,
                                 std::function<void()> on_change)
    : folder_(std::move(run_folder)),
      on_change_(std::move(on_change)),
      known_urls_(tracker_urls(folder_)),
      process_(start_process(
          {.words = {program.python.string(), program.script.string(), folder_.string(), "--mode",
                     program.options.mode, "--project", program.options.project},
           .output = folder_ / "swanlab.log"})) {}

void SwanlabFollower::finish() {
  const auto deadline = std::chrono::steady_clock::now() + kFinishTimeout;
  while (!has_ended() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  poll();
  if (process_.pid <= 0) return;
  logger().warn("SwanLab's upload has not finished and continues in the background: {}",
                (folder_ / "swanlab.log").string());
}

void SwanlabFollower::poll() {
  has_ended();
  try {
    std::vector<std::string> urls = tracker_urls(folder_);
    if (urls == known_urls_) return;
    known_urls_ = std::move(urls);
    for (const std::string& url : known_urls_) logger().info("SwanLab: {}", url);
    on_change_();
  } catch (const std::exception& error) {
    logger().warn("SwanLab's URL was not recorded: {}", one_line_message(error));
  }
}

// Reaps the process once it has ended. Until then, its process ID cannot be reused.
bool SwanlabFollower::has_ended() {
  if (process_.pid <= 0) return true;
  int status = 0;
  if (::waitpid(static_cast<pid_t>(process_.pid), &status, WNOHANG) == 0) return false;
  process_ = {};
  if (status != 0) {
    logger().warn(
        "SwanLab's follower ended with status {}; the run continues without it; see {}; to "
        "restart it: scripts/swanlab_follow.py {}",
        shell_status(status), (folder_ / "swanlab.log").string(), folder_.string());
  }
  return true;
}

}  // namespace roboimi
