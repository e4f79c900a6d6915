// Plugin files that are damaged, changed by tools, or writable by other users.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <random>

#include "roboimi/common/files.h"
#include "roboimi/plugin/checksum.h"
#include "roboimi/plugin/loader.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const fs::path kBuilt = fs::path(ROBOIMI_BINARY_DIR) / "tests" / "broken";

fs::path built(const std::string& name) { return kBuilt / name / ("lib" + name + ".so"); }

fs::path empty_folder(const std::string& name) {
  const fs::path folder = kBuilt / "damaged" / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

std::string problem_with(const fs::path& file) {
  return error_or_accepted([&] { check_plugin_file(file); });
}

struct Finished {
  int status = -1;  // as returned by waitpid()
  std::string output;
};

Finished run(const std::string& command) {
  Finished finished;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return finished;
  char buffer[4096];
  while (const std::size_t count = fread(buffer, 1, sizeof(buffer), pipe)) {
    finished.output.append(buffer, count);
  }
  finished.status = pclose(pipe);
  return finished;
}

Finished list_plugins_in(const fs::path& folder) {
  return run("exec " + std::string(ROBOIMI_BINARY_DIR) +
             "/bin/roboimi plugins list --plugin-path " + folder.string());
}

TEST(DamagedPlugins, AreRejectedByNameAndDoNotAffectOtherPlugins) {
  const fs::path folder = empty_folder("mutated");
  const std::string intact = read_text(built("checked"));
  std::mt19937_64 random(20261127);
  int accepted = 0, damaged = 0;
  constexpr int kCopies = 200;
  for (int copy = 0; copy < kCopies; ++copy) {
    std::string bytes = intact;
    const int changes = 1 + static_cast<int>(random() % 8);
    const std::size_t run = random() % 3 == 0 ? 512 : 1;  // a lost sector, or single bytes
    for (int i = 0; i < changes; ++i) {
      const std::size_t at = random() % (bytes.size() - run);
      for (std::size_t k = at; k < at + run; ++k) {
        bytes[k] = run > 1 ? '\0' : static_cast<char>(random());
      }
    }
    if (random() % 10 == 0) bytes.resize(random() % bytes.size());
    const fs::path file = folder / ("libcopy_" + std::to_string(copy) + ".so");
    write_text_atomically(file, bytes);
    const std::string problem = problem_with(file);
    damaged += problem.find("the file is damaged") != std::string::npos ? 1 : 0;
    if (problem != "accepted") continue;
    // Only parts that are not loaded have changed: debug information or linker symbols.
    ++accepted;
    fs::remove(file);
  }
  std::printf("%d copies: %d accepted, %d rejected, %d of them by the checksum\n", kCopies,
              accepted, kCopies - accepted, damaged);
  EXPECT_GT(damaged, kCopies / 4);
  EXPECT_LT(accepted, kCopies / 2);

  fs::copy_file(built("checked"), folder / "libchecked.so");
  const Finished listed = list_plugins_in(folder);
  EXPECT_EQ(listed.status, 0) << listed.output;
  EXPECT_THAT(listed.output, HasSubstr((folder / "libchecked.so").string()));
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename() == "libchecked.so") continue;
    EXPECT_THAT(listed.output, HasSubstr(entry.path().string() + "\n    "));
  }
}

TEST(DamagedPlugins, WithoutAChecksumAreNamedWhenTheyEndTheProcess) {
  const fs::path folder = empty_folder("crashing");
  fs::copy_file(built("crash"), folder / "libcrash.so");
  const Finished crashed = list_plugins_in(folder);
  EXPECT_TRUE(WIFSIGNALED(crashed.status)) << crashed.status;
  EXPECT_THAT(crashed.output,
              HasSubstr("roboimi: the plugin file " + (folder / "libcrash.so").string() +
                        " crashed the process while it was opened"));
}

TEST(Checksum, StaysValidAfterStripAndRunPathChangesOfAnInstallation) {
  const fs::path file = empty_folder("tools") / "libchecked.so";
  fs::copy_file(built("checked"), file);
  ASSERT_EQ(problem_with(file), "accepted");
  EXPECT_EQ(run(std::string(STRIP) + " " + file.string()).status, 0);
  EXPECT_NE(read_text(file), read_text(built("checked"))) << "nothing was stripped";
  EXPECT_EQ(problem_with(file), "accepted");

  const fs::path script = file.parent_path() / "run_path.cmake";
  const auto change = [&](const std::string& command) {
    write_text_atomically(script, "file(READ_ELF \"" + file.string() +
                                      "\" RUNPATH run_path)\nstring(REPLACE \";\" \":\" run_path "
                                      "\"${run_path}\")\nfile(" +
                                      command + ")\n");
    const Finished done = run(std::string(CMAKE) + " -P " + script.string());
    EXPECT_EQ(done.status, 0) << done.output;
    return problem_with(file);
  };
  const std::string at = " FILE \"" + file.string() + "\"";
  EXPECT_EQ(change("RPATH_CHANGE" + at + " OLD_RPATH \"${run_path}\" NEW_RPATH \"$ORIGIN/..\""),
            "accepted");
  EXPECT_EQ(change("RPATH_REMOVE" + at), "accepted");
}

TEST(Checksum, CanBeRewrittenByTheToolAfterAChange) {
  const fs::path file = empty_folder("again") / "libchecked.so";
  std::string bytes = read_text(built("checked"));
  // A string that only `plugins list` uses.
  const std::size_t at = bytes.find("A backbone for the loader's tests");
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 'a';
  write_text_atomically(file, bytes);
  EXPECT_THAT(problem_with(file), HasSubstr("the file is damaged or was changed"));
  const Finished written =
      run(std::string(ROBOIMI_BINARY_DIR) + "/bin/roboimi_plugin_checksum " + file.string());
  EXPECT_EQ(written.status, 0) << written.output;
  EXPECT_EQ(problem_with(file), "accepted");
}

TEST(PluginFolder, ThatEverybodyCanWriteToGivesOneWarning) {
  const fs::path folder = empty_folder("writable");
  fs::copy_file(built("checked"), folder / "libchecked.so");
  fs::copy_file(built("twice"), folder / "libtwice.so");
  EXPECT_THAT(list_plugins_in(folder).output, Not(HasSubstr("can write")));
  fs::permissions(folder, fs::perms::all);
  const std::string output = list_plugins_in(folder).output;
  const std::string line = "every user can write to " + folder.string();
  EXPECT_THAT(output, AllOf(HasSubstr(line), HasSubstr("its code runs with your permissions")));
  EXPECT_EQ(output.find(line, output.find(line) + 1), std::string::npos) << output;
}

TEST(PluginsCheck, UsesTheComponentsOptionsAndSkipsTheChecksItNames) {
  const Finished done = run(std::string(ROBOIMI_BINARY_DIR) + "/bin/roboimi plugins check " +
                            built("checked").string());
  EXPECT_EQ(done.status, 0) << done.output;
  EXPECT_THAT(done.output, HasSubstr("options for the checks: {output_dim: 7}"));
  EXPECT_THAT(done.output, HasSubstr("skipped  memory_does_not_grow: left out by the component"));
}

}  // namespace
}  // namespace roboimi
