// What a launch would start: the suite's runs with their resolved configurations, and the files
// that these name.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "roboimi/config/compose.h"
#include "suite/suite_file.h"
#include "suite/target.h"

namespace roboimi::app {

struct PlannedRun {
  SuiteRun run;
  ComposedConfig composed;
  std::vector<NamedFile> files;     // those that exist
  nlohmann::ordered_json backbone;  // its options with every default; null without one
};

// SUITE on the command line: the file, or the folder with its suite.yaml.
std::filesystem::path suite_file_of(const std::string& argument);

// Composes every run and checks its components' options by their plugins, which must be loaded: a
// mistake in one run is an Error before anything is started.
std::vector<PlannedRun> plan_runs(const SuiteFile& suite,
                                  const std::vector<std::filesystem::path>& config_dirs);

// The part of manifest.json that says what a run is; with the hash of each file it reads.
nlohmann::ordered_json manifest_entry(const PlannedRun& planned);

// When, where and with what this launch was made.
nlohmann::ordered_json launch_entry(const std::filesystem::path& suite_folder,
                                    const std::vector<std::string>& command);

}  // namespace roboimi::app
