// Plugins that are broken in every known way, and the error that a user gets.
#include <elf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/plugin/fingerprint.h"
#include "roboimi/plugin/registry.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;

const fs::path kBuilt = fs::path(ROBOIMI_BINARY_DIR) / "tests" / "broken";

fs::path built(const std::string& name) { return kBuilt / name / ("lib" + name + ".so"); }

// A folder for files created by tests, emptied once per run.
fs::path scratch() {
  static const fs::path folder = [] {
    const fs::path made = kBuilt / "scratch";
    fs::remove_all(made);
    fs::create_directories(made);
    return made;
  }();
  return folder;
}

fs::path written(const std::string& name, const std::string& bytes) {
  const fs::path file = scratch() / ("lib" + name + ".so");
  write_text_atomically(file, bytes);
  return file;
}

// A copy of a good plugin with its bytes changed.
fs::path altered(const std::string& name, const std::function<void(std::string&)>& change) {
  std::string bytes = read_text(built("good"));
  change(bytes);
  return written(name, bytes);
}

void set_machine(std::string& bytes) {
  const Elf64_Half machine = EM_S390;
  std::memcpy(bytes.data() + offsetof(Elf64_Ehdr, e_machine), &machine, sizeof(machine));
}

// Gives the first loaded segment a size far beyond that of the file.
void set_wrong_size(std::string& bytes) {
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const Elf64_Xword size = 1ull << 62;
  std::memcpy(bytes.data() + header.e_phoff + offsetof(Elf64_Phdr, p_filesz), &size, sizeof(size));
}

// A table of all cases, printed at the end of the log.
class VerdictTable : public testing::Environment {
 public:
  static void row(const std::string& name, const std::string& verdict, const std::string& text) {
    rows().push_back(fmt::format("{:<24} | {:<8} | {}", name, verdict, text));
  }
  void TearDown() override {
    std::printf("\n%-24s | verdict  | text\n", "case");
    for (const std::string& row : rows()) std::printf("%s\n", row.c_str());
  }

 private:
  static std::vector<std::string>& rows() {
    static std::vector<std::string> all;
    return all;
  }
};
const auto* const kTable = testing::AddGlobalTestEnvironment(new VerdictTable);

struct Case {
  std::string name;
  std::function<fs::path()> file;
  std::vector<std::string> texts;  // all must occur in the reason
};

const std::vector<Case>& rejected_cases() {
  static const std::vector<Case> cases = {
      {"not_elf",
       [] { return written("not_elf", "#!/bin/sh\necho hello, I am a long enough text file\n"); },
       {"not a shared library", "expected an ELF file", "found other contents"}},
      {"empty_file",
       [] { return written("empty_file", ""); },
       {"not a shared library", "found an empty file"}},
      {"truncated",
       [] { return altered("truncated", [](auto& bytes) { bytes.resize(bytes.size() / 2); }); },
       {"truncated or damaged", "every segment inside the file", "of a file of"}},
      {"lying_size",
       [] { return altered("lying_size", set_wrong_size); },
       {"truncated or damaged", "a segment of 4611686018427387904 bytes"}},
      {"wrong_machine",
       [] { return altered("wrong_machine", set_machine); },
       {"a library for another machine", "found ELF machine 22"}},
      {"32_bit",
       [] { return altered("32_bit", [](auto& bytes) { bytes[EI_CLASS] = ELFCLASS32; }); },
       {"another type of machine", "found a 32-bit file"}},
      {"plain_library",
       [] { return built("plain_library"); },
       {"not a roboimi plugin", "expected a section .note.roboimi", "ROBOIMI_PLUGIN"}},
      {"wrong_magic",
       [] { return built("wrong_magic"); },
       {"its roboimi note is damaged", "magic bytes"}},
      {"short_note",
       [] { return built("short_note"); },
       {"its roboimi note is damaged", "found a note of 12 bytes"}},
      {"older_api",
       [] { return built("older_api"); },
       {"built for an older roboimi",
        fmt::format("expected plugin API version {}", kPluginApiVersion),
        fmt::format("found version {}", kPluginApiVersion - 1),
        "rebuild the plugin against this roboimi"}},
      {"newer_api",
       [] { return built("newer_api"); },
       {"built for a newer roboimi", fmt::format("found version {}", kPluginApiVersion + 1),
        "update roboimi"}},
      {"wrong_note_size",
       [] { return built("wrong_note_size"); },
       {"its roboimi note has the wrong size", "expected 380 bytes", "with a size field of 396"}},
      {"other_libtorch",
       [] { return built("other_libtorch"); },
       {"built for another libtorch", "expected libtorch " TORCH_VERSION, "found libtorch 2.1.0"}},
      {"other_cxx_abi",
       [] { return built("other_cxx_abi"); },
       {"built for another C++ ABI", "expected libstdc++ cxx11 1", "found libstdc++ cxx11 0"}},
      {"other_sanitizer",
       [] { return built("other_sanitizer"); },
       {"built with another sanitizer", "expected sanitizer", "found sanitizer"}},
      {"no_name", [] { return built("no_name"); }, {"its roboimi note has no plugin name"}},
      {"missing_descriptor",
       [] { return built("missing_descriptor"); },
       {"a note but no descriptor", "exported symbol roboimi_plugin_descriptor"}},
      {"wrong_descriptor_size",
       [] { return built("wrong_descriptor_size"); },
       {"its descriptor has the wrong size or API version",
        fmt::format("found 8 bytes of API version {}", kPluginApiVersion)}},
      {"undefined_symbol",
       [] { return built("undefined_symbol"); },
       {"cannot be opened",
        "found undefined symbol roboimi::undefined_symbol::nowhere_to_be_found(int)",
        "--no-undefined"}},
      {"throwing_register",
       [] { return built("throwing_register"); },
       {"its register function failed", "found the register function gave up"}},
      {"duplicate_component",
       [] { return built("duplicate_component"); },
       {"the backbone 'good' is already registered", "found one from the plugin 'good'",
        "rename the component"}},
      {"duplicate_name",
       [] { return altered("duplicate_name", [](auto&) {}); },
       {"a plugin 'good' is already loaded", "good/libgood.so and ", "scratch/libduplicate_name.so",
        "remove one of the two"}},
  };
  return cases;
}

class BrokenPlugin : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() { Registry::instance().load(built("good")); }
};

TEST_P(BrokenPlugin, IsRejectedWithItsReasonAndTheHostContinues) {
  Registry& registry = Registry::instance();
  const std::size_t loaded = registry.plugins().size();
  const std::size_t components = registry.components().size();
  const fs::path file = GetParam().file();
  std::string text;
  try {
    registry.load(file);
  } catch (const Error& error) {
    text = error.what();
    EXPECT_EQ(error.parts().where, file.string());
  }
  ASSERT_NE(text, "") << "was accepted";
  for (const std::string& part : GetParam().texts) EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, testing::Not(HasSubstr("\n")));

  // The rejection is kept for `plugins list`, and nothing is registered.
  const auto rejected = registry.rejected();
  const auto kept = std::find_if(rejected.begin(), rejected.end(),
                                 [&](const RejectedPlugin& r) { return r.file == file; });
  ASSERT_NE(kept, rejected.end());
  EXPECT_EQ(file.string() + ": " + kept->reason, text);
  EXPECT_EQ(registry.plugins().size(), loaded);
  EXPECT_EQ(registry.components().size(), components);
  VerdictTable::row(GetParam().name, "rejected", kept->reason);
}

INSTANTIATE_TEST_SUITE_P(All, BrokenPlugin, testing::ValuesIn(rejected_cases()),
                         [](const auto& info) { return info.param.name; });

ObservationSpec two_cameras() {
  return {.streams = {rgb_stream("left", {8, 8}), rgb_stream("right", {8, 8}),
                      vector_stream(kState, 2)},
          .action_dim = 2};
}

TEST(GoodPlugin, IsAcceptedWhenStripped) {
  Registry& registry = Registry::instance();
  EXPECT_EQ(registry.load(built("stripped")), "stripped");
  const auto backbone = registry.create<Backbone>(
      parse_yaml("type: stripped\noutput_dim: 6", "test.yaml"), "agent.backbone", two_cameras());
  EXPECT_EQ(backbone->feature_dim(), 12);
  VerdictTable::row("stripped", "accepted", "");
}

std::string creation_error(const std::string& plugin) {
  Registry::instance().load(built(plugin));
  try {
    Registry::instance().create<Backbone>(parse_yaml("type: " + plugin, "test.yaml"),
                                          "agent.backbone", two_cameras());
  } catch (const Error& error) {
    VerdictTable::row(plugin, "no part", error.what());
    return error.what();
  }
  return "";
}

TEST(GoodPlugin, ReportsItsFactorysExceptionWithThePlaceInTheConfig) {
  EXPECT_EQ(creation_error("throwing_factory"),
            "test.yaml:1:1: agent.backbone: cannot create the backbone 'throwing_factory': found "
            "the factory gave up");
  EXPECT_EQ(creation_error("empty_factory"),
            "test.yaml:1:1: agent.backbone: cannot create the backbone 'empty_factory': found a "
            "factory that returned nullptr");
}

struct Finished {
  int status = -1;
  std::string output;
};

Finished run_program(const std::string& arguments) {
  const std::string command =
      std::string(ROBOIMI_BINARY_DIR) + "/bin/roboimi " + arguments + " 2>&1";
  Finished finished;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return finished;
  char buffer[4096];
  while (const std::size_t count = fread(buffer, 1, sizeof(buffer), pipe)) {
    finished.output.append(buffer, count);
  }
  finished.status = WEXITSTATUS(pclose(pipe));
  return finished;
}

// These plugins may end the process that opens them, which is a child process of the check. An
// exception that leaves an initializer passes through the C library's frames, which only some
// builds can unwind.
TEST(PluginsCheck, ReportsInitializersThatEndTheProcessAsFindings) {
  const auto thrown = run_program("plugins check " + built("throwing_initialiser").string());
  EXPECT_EQ(thrown.status, 1);
  EXPECT_THAT(thrown.output, HasSubstr("the initializer gave up"));
  EXPECT_THAT(thrown.output, AnyOf(HasSubstr("ended its process with signal 6"),
                                   HasSubstr("rejected: the initializer gave up")));
  VerdictTable::row("throwing_initialiser", "fatal", thrown.output);
  const auto crashed = run_program("plugins check " + built("crash").string());
  EXPECT_EQ(crashed.status, 1);
  EXPECT_THAT(crashed.output, HasSubstr("ended its process with signal 11"));
  VerdictTable::row("crash", "fatal", crashed.output);
  const auto left = run_program("plugins check " + built("exiting").string());
  EXPECT_EQ(left.status, 1);
  EXPECT_THAT(left.output, HasSubstr("ended its process with exit status 3"));
  EXPECT_THAT(left.output, HasSubstr("no license was found"));
  VerdictTable::row("exiting", "fatal", left.output);
}

TEST(PluginsCheck, NamesTheCheckInWhichAComponentCrashed) {
  const auto crashed = run_program("plugins check " + built("crash_in_encode").string());
  EXPECT_EQ(crashed.status, 1);
  EXPECT_THAT(crashed.output, HasSubstr("ended its process with signal 11"));
  EXPECT_THAT(crashed.output,
              HasSubstr("in backbone crash_in_encode: output_fits_the_declaration"));
  VerdictTable::row("crash_in_encode", "fatal", crashed.output);
}

TEST(PluginsCheck, FailsAPluginThatLoadsButViolatesItsContract) {
  const auto failed = run_program("plugins check " + built("one_number_too_many").string());
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.output, HasSubstr("it loads, but a component failed the checks of its kind"));
  EXPECT_THAT(failed.output, HasSubstr("failed   output_fits_the_declaration (any batch"));
  EXPECT_THAT(failed.output, HasSubstr("encode() returns [1, 1, 13] for batch 1 and 1 steps; it "
                                       "declares [1, 1, 12]"));
  VerdictTable::row("one_number_too_many", "failed", failed.output);
}

TEST(PluginsCheck, SkipsACheckByItsFormerName) {
  const auto skipped = run_program("plugins check " + built("one_number_too_many").string() +
                                   " --skip gives_what_it_declares");
  EXPECT_THAT(skipped.output, HasSubstr("skipped  output_fits_the_declaration: skipped by --skip"));
}

TEST(PluginsCheck, AcceptsOptionsCamerasAndChecksToSkip) {
  const fs::path options = fs::temp_directory_path() / "roboimi_check_options.yaml";
  std::ofstream(options) << "output_dim: 7\n";
  const std::string good = built("good").string();
  const auto json = run_program("plugins check " + good + " --json --camera left --camera right " +
                                "--skip memory_does_not_grow --config " + options.string());
  EXPECT_EQ(json.status, 0) << json.output;
  EXPECT_THAT(json.output, HasSubstr("skipped by --skip"));
  std::ofstream(options) << "output_dim: 0\n";
  const auto bad = run_program("plugins check " + good + " --config " + options.string());
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.output, AllOf(HasSubstr("failed   can_be_made"), HasSubstr("at least 1"),
                                HasSubstr("1 failed")));
  const auto unknown = run_program("plugins check " + good + " --skip memory_does_not_grou");
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.output, HasSubstr("did you mean 'memory_does_not_grow'?"));
  const auto component = run_program("plugins check " + good + " --component bad");
  EXPECT_THAT(component.output, HasSubstr("it has no component 'bad': expected one of good"));
  fs::remove(options);
}

TEST(PluginsCheck, OffersTheStreamsThatTheUserNames) {
  const std::string check = "plugins check " + built("reads_a_wrench").string();
  const auto missing = run_program(check);
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.output,
              AllOf(HasSubstr("failed   can_be_made"), HasSubstr("there is no stream 'wrench'"),
                    HasSubstr("add other streams with --stream NAME=KIND")));
  // On the command line.
  const auto given = run_program(check + " --stream wrench=vector:6");
  EXPECT_EQ(given.status, 0) << given.output;
  EXPECT_THAT(given.output, HasSubstr("passed   can_be_made"));
  const auto other = run_program(check + " --stream wrench=vector:3");
  EXPECT_EQ(other.status, 1);
  EXPECT_THAT(other.output, HasSubstr("a wrench has six elements"));
  const auto wrong = run_program(check + " --stream wrench");
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.output, HasSubstr("--stream wrench is not a stream"));
  // In the file of options.
  const fs::path options = fs::temp_directory_path() / "roboimi_check_streams.yaml";
  std::ofstream(options) << "output_dim: 3\nstreams: {wrench: {kind: vector, shape: [6]}}\n";
  const auto written = run_program(check + " --config " + options.string());
  EXPECT_EQ(written.status, 0) << written.output;
  fs::remove(options);
}

TEST(PluginsCheck, AcceptsAGoodPluginAndRejectsABrokenOne) {
  const auto good = run_program("plugins check " + built("good").string());
  EXPECT_EQ(good.status, 0) << good.output;
  EXPECT_THAT(good.output, HasSubstr("backbone good"));
  const auto broken = run_program("plugins check " + built("older_api").string());
  EXPECT_EQ(broken.status, 1);
  EXPECT_THAT(broken.output, HasSubstr("built for an older roboimi"));
}

}  // namespace
}  // namespace roboimi
