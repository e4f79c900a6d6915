// Tests of scripts/swanlab_follow.py with the real package, offline, on simulated run folders.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/origin.h"
#include "roboimi/track/swanlab_follower.h"
#include "tests/error_text.h"
#include "tests/reference/swanlab_records.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A run folder whose run is simulated by the test.
class SwanlabFollow : public ::testing::Test {
 protected:
  SwanlabFollow() {
    // Do not preload the sanitizer of this test into Python.
    ::unsetenv("LD_PRELOAD");
    write_text_atomically(run_ / "config.yaml",
                          "name: demo\ntrain:\n  learning_rate: 1e-5\ntrack:\n  swanlab: off\n");
    write_status("running");
  }
  ~SwanlabFollow() override {
    std::error_code ignored;
    fs::remove_all(run_, ignored);
  }

  void write_status(const std::string& status, pid_t pid = ::getpid()) const {
    const json record = {{"name", "demo"}, {"status", status}, {"pid", pid}, {"host", host_name()}};
    write_text_atomically(run_ / "run.json", record.dump());
  }
  void write(const std::string& text) const {
    std::ofstream(run_ / "metrics.jsonl", std::ios::app) << text;
  }
  static std::string lines(int first, int last) {
    std::string text;
    for (int step = first; step <= last; ++step) {
      text += json({{"step", step}, {"time", 1.5}, {"a", step + 0.5}, {"b", -step}}).dump() + "\n";
    }
    return text;
  }
  // The values of "a" in lines(1, last).
  static json values_of_a(int last) {
    json values = json::array();
    for (int step = 1; step <= last; ++step) values.push_back({step, step + 0.5});
    return values;
  }

  pid_t start() const {
    return static_cast<pid_t>(
        start_process({.words = {kTreePython.string(),
                                 ROBOIMI_SOURCE_DIR "/scripts/swanlab_follow.py", run_.string()},
                       .output = run_ / "swanlab.log"})
            .pid);
  }
  std::string log() const {
    return fs::exists(run_ / "swanlab.log") ? read_text(run_ / "swanlab.log") : "";
  }
  bool follows() const {
    return soon([&] { return log().find("swanlab_follow.py: following") != std::string::npos; });
  }
  // The exit status as in a shell; -1 if the process does not end in time.
  static int status_of(pid_t follower) {
    int status = 0;
    if (soon([&] { return ::waitpid(follower, &status, WNOHANG) == follower; })) {
      return shell_status(status);
    }
    ::kill(follower, SIGKILL);
    return -1;
  }
  std::uintmax_t written_bytes() const {
    std::uintmax_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(run_ / "swanlab")) {
      if (entry.path().extension() == ".swanlab") bytes += entry.file_size();
    }
    return bytes;
  }

  fs::path run_ = fs::temp_directory_path() / ("roboimi_swanlab_" + std::to_string(::getpid()));
};

TEST_F(SwanlabFollow, ShowsScalarsImagesAndTheConfigurationOfARunToItsEnd) {
  write("{\"step\": 5, \"time\": 1.0, \"train/loss\": 0.5}\n{\"step\": 10, \"ti");
  const pid_t follower = start();
  ASSERT_TRUE(follows()) << log();
  write("me\": 2.0, \"train/loss\": 0.25, \"train/bad\": null}\n");
  const fs::path image = run_ / "rollouts" / "step_00000010" / "trajectory_000.png";
  fs::create_directories(image.parent_path());
  fs::copy_file(ROBOIMI_SOURCE_DIR "/docs/images/rollout.png", image.string() + ".part");
  fs::rename(image.string() + ".part", image);
  write("{\"step\": 15, \"time\": 3.0, \"train/loss\": 0.125, \"rollout/success_rate\": 1}\n");
  write_status("finished");
  EXPECT_EQ(status_of(follower), 0) << log();

  const json shown = read_swanlab(run_);
  EXPECT_EQ(shown["scalars"], json({{"train/loss", {{5, 0.5}, {10, 0.25}, {15, 0.125}}},
                                    {"rollout/success_rate", {{15, 1.0}}}}));
  EXPECT_EQ(shown["images"], json({{"rollout/trajectory_000", {{10, 640, 576}}}}));
  EXPECT_EQ(shown["config"], json({{"name", "demo"},
                                   {"train", {{"learning_rate", 1e-5}}},
                                   {"track", {{"swanlab", "off"}}}}));
  EXPECT_EQ(shown["names"], json::array({"demo"}));
  EXPECT_EQ(shown["ends"], json::array({"RUN_STATE_FINISHED"}));
  EXPECT_THAT(tracker_urls(run_), testing::ElementsAre((run_ / "swanlab").string()));
}

TEST_F(SwanlabFollow, ShowsEveryStepOnceAfterARestart) {
  write(lines(1, 40));
  const pid_t first = start();
  ASSERT_TRUE(follows()) << log();
  ::kill(first, SIGTERM);
  EXPECT_EQ(status_of(first), 0) << log();
  // As in a resumed run: cut back to the last checkpoint, then the same steps again.
  write_text_atomically(run_ / "metrics.jsonl", lines(1, 30));
  write(lines(31, 60));
  write_status("finished");
  EXPECT_EQ(status_of(start()), 0) << log();

  const json shown = read_swanlab(run_);
  EXPECT_EQ(shown["scalars"]["a"], values_of_a(60));
  // Two files of one experiment.
  ASSERT_EQ(shown["experiments"].size(), 2U);
  EXPECT_EQ(shown["experiments"][0], shown["experiments"][1]);
  EXPECT_EQ(shown["ends"], json::array({"RUN_STATE_ABORTED", "RUN_STATE_FINISHED"}));
}

TEST_F(SwanlabFollow, ShowsEveryStepOnceAfterBeingKilled) {
  write(lines(1, 400));
  const pid_t first = start();
  ASSERT_TRUE(follows()) << log();
  // Kill it when its first blocks are on disk and the last one may be incomplete.
  ASSERT_TRUE(soon([&] { return written_bytes() > 0; }));
  ::kill(first, SIGKILL);
  EXPECT_EQ(status_of(first), 128 + SIGKILL);
  write_status("finished");
  EXPECT_EQ(status_of(start()), 0) << log();

  const json shown = read_swanlab(run_);
  EXPECT_EQ(shown["scalars"]["a"], values_of_a(400));
  // The file of the killed process contains its part.
  EXPECT_EQ(shown["experiments"].size(), 2U);
  EXPECT_EQ(shown["ends"], json::array({"RUN_STATE_FINISHED"}));
}

TEST_F(SwanlabFollow, EndsWhenItsRunIsKilled) {
  const auto run = start_process({.words = {"/bin/sleep", "600"}});
  write_status("running", static_cast<pid_t>(run.pid));
  write(lines(1, 3));
  const pid_t follower = start();
  ASSERT_TRUE(follows()) << log();
  ::kill(static_cast<pid_t>(run.pid), SIGKILL);  // not reaped yet
  EXPECT_EQ(status_of(follower), 0) << log();
  ::waitpid(static_cast<pid_t>(run.pid), nullptr, 0);
  const json shown = read_swanlab(run_);
  EXPECT_EQ(shown["ends"], json::array({"RUN_STATE_CRASHED"}));
  EXPECT_EQ(shown["scalars"]["b"], json({{1, -1.0}, {2, -2.0}, {3, -3.0}}));
}

TEST_F(SwanlabFollow, DistinguishesARunFromALaterProcessWithItsId) {
  const ProcessIdentity self = identify_process(::getpid());
  json record = json::parse(read_text(run_ / "run.json"));
  record["process_start"] = {{"ticks", self.start_ticks + 1}, {"boot_id", self.boot_id}};
  write_text_atomically(run_ / "run.json", record.dump());
  write(lines(1, 3));
  EXPECT_EQ(status_of(start()), 0) << log();
  EXPECT_EQ(read_swanlab(run_)["ends"], json::array({"RUN_STATE_CRASHED"}));
}

TEST_F(SwanlabFollow, RejectsALinkToAnotherFolder) {
  fs::create_directory(run_ / "other");
  fs::create_directory(run_ / "other/run-1");
  fs::create_directory_symlink(run_ / "other", run_ / "swanlab");
  EXPECT_NE(status_of(start()), 0);
  EXPECT_THAT(log(),
              HasSubstr((run_ / "swanlab").string() + ": a link where a folder is expected"));
  EXPECT_TRUE(fs::exists(run_ / "other/run-1"));
}

TEST_F(SwanlabFollow, RejectsAFolderThatIsNotARun) {
  const ProcessResult result =
      run_process({kTreePython.string(), ROBOIMI_SOURCE_DIR "/scripts/swanlab_follow.py",
                   (run_ / "x").string()});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors,
              HasSubstr((run_ / "x").string() + ": expected a run folder that contains run.json"));
}

// ---- Before a run -------------------------------------------------------------------------------

std::string error_of(const SwanlabOptions& options) {
  return error_text([&] { find_swanlab(options); });
}

TEST_F(SwanlabFollow, IsFoundWithThePythonThatHasThePackage) {
  const SwanlabProgram program = find_swanlab({.mode = "offline"});
  EXPECT_EQ(program.python, kTreePython);
  EXPECT_EQ(program.script, ROBOIMI_SOURCE_DIR "/scripts/swanlab_follow.py");
}

TEST_F(SwanlabFollow, ExplainsHowToInstallAMissingPackage) {
  const fs::path bare = run_ / "bare";
  ASSERT_EQ(
      run_process({kTreePython.string(), "-m", "venv", "--without-pip", bare.string()}).status, 0);
  ::setenv("ROBOIMI_PYTHON", (bare / "bin/python").c_str(), 1);
  const std::string error = error_of({.mode = "offline"});
  ::unsetenv("ROBOIMI_PYTHON");
  EXPECT_THAT(error, StartsWith((bare / "bin/python").string() +
                                ": track.swanlab=offline: the Python package swanlab is missing"));
  EXPECT_THAT(error, HasSubstr("No module named 'swanlab'"));
  EXPECT_THAT(error, HasSubstr("run scripts/setup.sh --swanlab, or install " ROBOIMI_SOURCE_DIR
                               "/scripts/requirements-swanlab.txt into a Python"));
  EXPECT_THAT(error, ::testing::Not(HasSubstr("\n")));
}

TEST_F(SwanlabFollow, NeverRunsAPythonOfTheCurrentFolder) {
  // Hide the package from every Python, so that all candidates are tried.
  write_text_atomically(run_ / "shadow/swanlab.py", "raise ModuleNotFoundError('hidden')\n");
  const fs::path python = run_ / ".venv/bin/python";
  write_text_atomically(python, "#!/bin/sh\ntouch " + (run_ / "was_run").string() + "\n");
  fs::permissions(python, fs::perms::owner_all);
  ::setenv("PYTHONPATH", (run_ / "shadow").c_str(), 1);
  const fs::path former = fs::current_path();
  fs::current_path(run_);
  const std::string error = error_of({.mode = "offline"});
  fs::current_path(former);
  ::unsetenv("PYTHONPATH");
  EXPECT_THAT(error, HasSubstr("hidden; set ROBOIMI_PYTHON=" + python.string()));
  EXPECT_FALSE(fs::exists(run_ / "was_run"));
}

TEST_F(SwanlabFollow, NeedsAnAccountForTheCloudAndAValidName) {
  for (const char* name : {"SWANLAB_ROOT", "SWANLAB_SAVE_DIR", "HOME"}) {
    ::setenv(name, run_.c_str(), 1);
  }
  ::unsetenv("SWANLAB_API_KEY");
  EXPECT_THAT(error_of({.mode = "cloud"}),
              HasSubstr("track.swanlab=cloud: not logged in to SwanLab: run 'swanlab login'"));
  EXPECT_THAT(error_of({.mode = "offline", .project = "a b"}),
              HasSubstr("'a b' is not a valid project name"));
}

}  // namespace
}  // namespace roboimi
