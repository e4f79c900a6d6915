// Support for tests that run the built `roboimi` program in a temporary folder.
#pragma once

#include <gtest/gtest.h>

#include <boost/process.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/files.h"

namespace roboimi::e2e {

namespace fs = std::filesystem;

struct Result {
  int status = 0;
  std::string output;  // stdout
  std::string errors;  // stderr
};

// A temporary folder in which a test runs programs; removed by the destructor.
class Workplace {
 public:
  explicit Workplace(const std::string& name)
      : folder_(fs::temp_directory_path() /
                ("roboimi_e2e_" + name + "_" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~Workplace() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  const fs::path& folder() const { return folder_; }
  fs::path operator/(const std::string& name) const { return folder_ / name; }

  // Starts `roboimi` with stdout and stderr in files of the folder.
  boost::process::child start(const std::vector<std::string>& arguments,
                              const std::map<std::string, std::string>& variables = {}) const {
    return start_program(ROBOIMI_BINARY_DIR "/bin/roboimi", arguments, variables);
  }
  boost::process::child start_program(
      const std::string& program, const std::vector<std::string>& arguments,
      const std::map<std::string, std::string>& variables = {}) const {
    namespace bp = boost::process;
    // Boost.Process overwrites an old file without truncating it.
    for (const char* name : {"stdout.txt", "stderr.txt"}) fs::remove(folder_ / name);
    auto environment = bp::environment(boost::this_process::environment());
    for (const auto& [name, value] : variables) environment[name] = value;
    return bp::child(bp::exe = program, bp::args = arguments, environment,
                     bp::start_dir = folder_.string(),
                     bp::std_in<bp::null, bp::std_out>(folder_ / "stdout.txt").string(),
                     bp::std_err > (folder_ / "stderr.txt").string());
  }

  Result run(const std::vector<std::string>& arguments,
             const std::map<std::string, std::string>& variables = {}) const {
    auto child = start(arguments, variables);
    child.wait();
    return result_of(child);
  }
  // The result of a child that has ended.
  Result result_of(const boost::process::child& child) const {
    return {child.exit_code(), read_text(folder_ / "stdout.txt"),
            read_text(folder_ / "stderr.txt")};
  }

 private:
  fs::path folder_;
};

// Concatenates two lists of command-line arguments.
inline std::vector<std::string> words(std::vector<std::string> first,
                                      const std::vector<std::string>& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

// Base class of tests that share a workplace with demonstrations in its folder `data`, which are
// collected once per test program:
//
//   class MainJob : public WithDemonstrations {
//    protected:
//     static void SetUpTestSuite() { collect("main_job", /*episodes=*/2); }
//   };
class WithDemonstrations : public ::testing::Test {
 protected:
  static void collect(const std::string& name, int episodes,
                      const std::vector<std::string>& overrides = {}) {
    place_ = new Workplace(name);
    const std::string count = std::to_string(episodes);
    const Result collected = place_->run(
        words({"collect", "--config", "collect_sim_transfer.yaml", "size=small",
               "collect.output=data", "collect.num_episodes=" + count, "collect.workers=" + count},
              overrides));
    ASSERT_EQ(collected.status, 0) << collected.errors;
  }
  static void TearDownTestSuite() {
    delete place_;
    place_ = nullptr;
  }

  inline static Workplace* place_ = nullptr;
};

// The newest run folder under `runs`.
inline fs::path newest_run(const fs::path& runs) {
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(runs)) {
    if (entry.is_directory() && entry.path() > newest) newest = entry.path();
  }
  return newest;
}

}  // namespace roboimi::e2e
