// Support for tests of suites: writes suites of tiny real runs and waits for their states.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "roboimi/common/processes.h"
#include "tests/e2e/program.h"
#include "tests/wait_for.h"

namespace roboimi::e2e {

using Json = nlohmann::ordered_json;

// An unused port of the loopback address.
inline int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(descriptor);
  return ::ntohs(address.sin_port);
}

// The ID of a process whose command line contains all `words`; 0 if there is none.
inline pid_t process_with(const std::vector<std::string>& words) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const bool has_all = std::all_of(words.begin(), words.end(), [&](const std::string& word) {
      return text.find(word) != std::string::npos;
    });
    if (!text.empty() && has_all) return std::stoi(entry.path().filename().string());
  }
  return 0;
}

// A workplace with two demonstrations and suites that train a state-only policy on them.
class SuitePlace {
 public:
  explicit SuitePlace(const std::string& name) : place(name) {
    const Result collected =
        place.run({"collect", "--config", "collect_sim_transfer.yaml", "size=small",
                   "collect.output=data", "collect.num_episodes=2", "collect.workers=2"});
    EXPECT_EQ(collected.status, 0) << collected.errors;
  }

  // A folder name that would run a command if a shell interpreted it.
  fs::path suite_folder(const std::string& name) const {
    return place / ("suite $(touch pwned) '" + name);
  }
  // Writes a suite with the runs `brief` (20 steps) and `long_one` (`steps`), the given targets and
  // `more` runs.
  fs::path write_suite(const std::string& name, int steps, const std::string& targets,
                       const std::string& more = "") const {
    const fs::path folder = suite_folder(name);
    write_text_atomically(folder / "suite.yaml",
                          "name: " + name +
                              "\nconfig: lewm_imf_attnres.yaml\n"
                              "overrides: [size=small, agent=state_imf_attnres, data.path=data,\n"
                              "  agent.head.n_emb=16, agent.head.n_layer=1, agent.head.n_head=2,\n"
                              "  train.batch_size=4, train.log_every=5, train.save_every=100,\n"
                              "  train.rollout_every=0, train.rollout_num_episodes=1]\n"
                              "runs:\n"
                              "  - {name: brief, overrides: [train.max_steps=20]}\n"
                              "  - {name: long_one, overrides: [train.max_steps=" +
                              std::to_string(steps) + "]}\n" + more + "targets:\n  " + targets +
                              "\n");
    return folder;
  }

  Result suite(const std::string& what, const fs::path& folder,
               const std::vector<std::string>& more = {}) const {
    return place.run(words({"suite", what, folder.string()}, more));
  }

  // The run's row in the output of `suite status`.
  Json row(const fs::path& folder, const std::string& name) const {
    const Result status = suite("status", folder, {"--json"});
    EXPECT_EQ(status.status, 0) << status.errors;
    const Json all = Json::parse(status.output, nullptr, /*allow_exceptions=*/false);
    for (const Json& row : all.value("runs", Json::array())) {
      if (row["name"] == name) return row;
    }
    return Json::object();
  }
  std::string state(const fs::path& folder, const std::string& name) const {
    return row(folder, name).value("state", "none");
  }
  bool reaches(const fs::path& folder, const std::string& name, const std::string& wanted) const {
    return wait_for([&] { return state(folder, name) == wanted; });
  }

  // Waits at most two minutes.
  static bool wait_for(const std::function<bool()>& condition) {
    return roboimi::wait_for(condition, std::chrono::minutes(2), std::chrono::milliseconds(300));
  }

  Workplace place;
};

// A server process that the destructor ends.
class Daemon {
 public:
  Daemon(const fs::path& program, const std::vector<std::string>& arguments, const fs::path& log)
      : child_(boost::process::exe = program.string(), boost::process::args = arguments,
               boost::process::std_in<boost::process::null, boost::process::std_out>
                   boost::process::null,
               boost::process::std_err > log.string()) {}
  ~Daemon() {
    ::kill(child_.id(), SIGTERM);
    if (!child_.wait_for(std::chrono::seconds(10))) child_.terminate();
    child_.wait();
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Kills the server's child processes, but not the server itself.
  void kill_children() const {
    const std::string id = std::to_string(child_.id());
    std::ifstream children("/proc/" + id + "/task/" + id + "/children");
    for (pid_t child = 0; children >> child;) ::kill(child, SIGKILL);
  }

 private:
  boost::process::child child_;
};

// The server type of tests that need no server.
struct NoServer {
  explicit NoServer(const fs::path&) {}
};

// Base class of tests that share a place and a server, whose folder is in that place.
template <typename Server>
class SuiteTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    place_ = std::make_unique<SuitePlace>(Server::kName);
    server_ = std::make_unique<Server>(place_->place / Server::kName);
  }
  static void TearDownTestSuite() {
    server_.reset();
    place_.reset();
  }
  static inline std::unique_ptr<SuitePlace> place_;
  static inline std::unique_ptr<Server> server_;
};

}  // namespace roboimi::e2e
