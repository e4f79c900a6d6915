#include "app/plugins_check.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "roboimi/common/error.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::app {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTimeLimit{120};

Error system_error(const std::string& what, int number) {
  return Error({.what = what, .found = std::strerror(number)});
}

struct Child {
  pid_t process = -1;
  int output = -1;  // stdout and stderr, as one stream
};

Child start_child(const std::filesystem::path& file) {
  int ends[2];
  if (pipe(ends) != 0) throw system_error("cannot make a pipe", errno);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  std::string words[] = {"roboimi", "plugins", "check", "--in-process", "--", file.string()};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  Child child{.process = -1, .output = ends[0]};
  const int failed =
      posix_spawn(&child.process, "/proc/self/exe", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (failed != 0) {
    close(ends[0]);
    throw system_error("cannot start a child process", failed);
  }
  return child;
}

// Reads until the child closes its output; false when that takes too long.
bool read_output(int file, std::string& text) {
  const auto deadline = Clock::now() + kTimeLimit;
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waiting{.fd = file, .events = POLLIN, .revents = 0};
    if (left <= 0 || poll(&waiting, 1, static_cast<int>(left)) == 0) return false;
    char buffer[4096];
    const ssize_t count = read(file, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return true;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

nlohmann::json fatal(const std::filesystem::path& file, const std::string& reason,
                     const std::string& output) {
  return {{"file", file.string()},
          {"verdict", "fatal"},
          {"reason", reason},
          {"output", output},
          {"components", nlohmann::json::array()}};
}

}  // namespace

nlohmann::json check_in_child(const std::filesystem::path& file) {
  const Child child = start_child(file);
  std::string output;
  const bool ended = read_output(child.output, output);
  if (!ended) kill(child.process, SIGKILL);
  close(child.output);
  int status = 0;
  while (waitpid(child.process, &status, 0) < 0 && errno == EINTR) {
  }
  const auto marker = output.rfind(kVerdictMarker);
  const std::string own_output = output.substr(0, marker);
  if (!ended) {
    return fatal(file, fmt::format("did not finish within {} s", kTimeLimit.count()), own_output);
  }
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    return fatal(file,
                 fmt::format("ended its process with signal {} ({}): a static initialiser, a "
                             "register function or a static destructor crashed or threw",
                             number, strsignal(number)),
                 own_output);
  }
  if (marker == std::string::npos || WEXITSTATUS(status) != 0) {
    return fatal(file, fmt::format("ended its process with status {}", WEXITSTATUS(status)),
                 own_output);
  }
  auto verdict = nlohmann::json::parse(output.substr(marker + std::strlen(kVerdictMarker)));
  verdict["output"] = own_output;
  return verdict;
}

nlohmann::json check_in_process(const std::filesystem::path& file) {
  nlohmann::json verdict = {
      {"file", file.string()}, {"verdict", "accepted"}, {"components", nlohmann::json::array()}};
  Registry& registry = Registry::instance();
  try {
    const std::string name = registry.load(file);
    for (const LoadedPlugin& plugin : registry.plugins()) {
      if (plugin.name != name) continue;
      verdict["plugin"] = plugin.name;
      verdict["version"] = plugin.version;
      verdict["description"] = plugin.description;
    }
    for (const ComponentInfo& info : registry.components()) {
      verdict["components"].push_back(
          {{"kind", to_string(info.kind)}, {"name", info.name}, {"description", info.description}});
    }
    if (verdict["components"].empty()) {
      verdict["verdict"] = "rejected";
      verdict["reason"] = "it registers no component; add one in its register function";
    }
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    parts.where.clear();
    verdict["verdict"] = "rejected";
    verdict["reason"] = Error(parts).what();
  }
  return verdict;
}

}  // namespace roboimi::app
