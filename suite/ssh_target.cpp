#include "suite/ssh_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/log.h"
#include "roboimi/common/origin.h"
#include "roboimi/common/paths.h"
#include "roboimi/config/scalar.h"
#include "suite/job_config.h"
#include "suite/shipment.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// Suites of the same name from different folders or machines stay separate.
std::string name_there(const fs::path& suite_folder) {
  const fs::path whole = fs::absolute(suite_folder).lexically_normal();
  const std::string hash = Sha256().update_text(host_name()).update_text(whole.string()).hex();
  return "suite-" + hash.substr(0, 16);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

SshTarget::SshTarget(TargetSpec spec, const fs::path& suite_folder)
    : spec_(std::move(spec)),
      suite_name_(name_there(suite_folder)),
      mirror_(target_folder(suite_folder, spec_.name)),
      connection_(spec_) {}

std::string SshTarget::remote_folder() const {
  const std::string script = "mkdir -p -- " + shell_quote(spec_.folder) + "\ncd -- " +
                             shell_quote(spec_.folder) + "\nmkdir -p objects suites\npwd -P\n";
  std::string path = connection_.run_script(script);
  path.erase(path.find_last_not_of('\n') + 1);
  return path;
}

std::vector<std::string> SshTarget::ship(const std::string& objects,
                                         const std::vector<Shipment>& shipments) {
  std::vector<std::string> present = lines_of(connection_.run({"ls", "-A", "--", objects}));
  std::vector<std::string> folders;
  for (const Shipment& shipment : shipments) {
    const std::string folder = objects + "/" + shipment.name;
    folders.push_back(folder);
    if (std::find(present.begin(), present.end(), shipment.name) != present.end()) continue;
    constexpr std::size_t kMostAlike = 10;  // rsync takes at most 20
    std::vector<std::string> alike;
    for (const std::string& other : present) {
      if (other.starts_with(shipment.kind + "-") && alike.size() < kMostAlike) {
        alike.push_back(objects + "/" + other);
      }
    }
    logger().info("target {}: sending {} files of {}", spec_.name, shipment.files.size(),
                  shipment.base.string());
    // The folder gets its name last, so that it is never incomplete.
    const std::string partial = objects + "/.partial-" + shipment.name;
    connection_.send(shipment.base, shipment.files, partial, alike);
    // Another launch may have sent the same files meanwhile.
    connection_.run_script("mv -T -- " + shell_quote(partial) + " " + shell_quote(folder) +
                           " || test -e " + shell_quote(folder) + "\nrm -rf -- " +
                           shell_quote(partial) + "\n");
    present.push_back(shipment.name);
  }
  return folders;
}

LaunchJob SshTarget::relocated(LaunchJob job, const std::string& objects) {
  std::vector<Shipment> shipments;
  for (const NamedFile& file : job.files) shipments.push_back(path_shipment(file.path));
  const std::vector<std::string> folders = ship(objects, shipments);
  for (std::size_t i = 0; i < folders.size(); ++i) {
    const std::string path =
        folders[i] + "/" + fs::canonical(job.files[i].path).filename().string();
    job.config.set_path(job.files[i].key,
                        ConfigNode::scalar(config::escape_references(path), {}, /*quoted=*/true));
  }
  return job;
}

void SshTarget::launch(const LaunchOrder& order) {
  const std::string root = remote_folder();
  const std::string objects = root + "/objects";
  const WorkFolder there(fs::path(root) / "suites" / suite_name_ / spec_.name);
  WorkQueue queue{.target = spec_.name,
                  .suite_folder = "",
                  .directory = there.path().string(),
                  .program = ship(objects, {program_shipment()})[0] + "/bin/roboimi",
                  .options = {},
                  .slots = slots_of(spec_),
                  .jobs = {}};
  for (const auto& path : order.plugin_paths) {
    const std::string folder = ship(objects, {path_shipment(path)})[0];
    queue.options.push_back("--plugin-path=" + folder + "/" +
                            fs::canonical(path).filename().string());
  }
  std::vector<WorkJob> jobs;
  std::vector<std::string> names, files = {"queue.json"};
  for (const LaunchJob& job : order.jobs) {
    jobs.push_back(
        write_job(mirror_, there, relocated(job, objects), spec_.threads, order.smoke_steps));
    names.push_back(job.name);
    for (const fs::path& file : {mirror_.config(job.name), mirror_.smoke_config(job.name)}) {
      if (fs::exists(file)) files.push_back(file.lexically_relative(mirror_.path()).string());
    }
  }
  queue.jobs = merged_jobs(mirror_, jobs);
  mirror_.write_queue(queue);
  connection_.run({"mkdir", "-p", "--", there.path().string()});
  connection_.send(mirror_.path(), files, there.path().string());
  work("start", names);
}

std::string SshTarget::work(const std::string& what, const std::vector<std::string>& names) const {
  const WorkQueue queue = mirror_.read_queue();
  std::vector<std::string> words = {queue.program, "suite", "work", what, queue.directory};
  words.insert(words.end(), names.begin(), names.end());
  return connection_.run(words);
}

void SshTarget::resume(const std::vector<std::string>& names) { work("start", names); }

void SshTarget::stop(const std::vector<std::string>& names) { work("stop", names); }

std::vector<RunStatus> SshTarget::observe() {
  if (!mirror_.has_queue()) return {};
  const std::string answer = work("observe", {});
  const auto json = nlohmann::ordered_json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) {
    throw Error({.what = "the answer is not a list of runs", .where = spec_.host});
  }
  return run_statuses_from(json);
}

void SshTarget::fetch(bool checkpoints) {
  if (!mirror_.has_queue()) return;
  std::vector<std::string> excluded = {"/*/smoke_runs", "/*/config.yaml", "/*/smoke.yaml"};
  if (!checkpoints) excluded.push_back("/*/runs/*/checkpoints");
  fs::create_directories(mirror_.path() / "jobs");
  connection_.bring(mirror_.read_queue().directory + "/jobs", excluded, mirror_.path() / "jobs");
}

}  // namespace roboimi
