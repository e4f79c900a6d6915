// The plan of a launch: the suite's runs with their resolved configs, and the files that these use.
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
  std::vector<NamedFile> files;     // files named by the config that exist here
  nlohmann::ordered_json backbone;  // options with all defaults; null without a backbone
};

// Returns the suite's file, given the file or the folder with suite.yaml.
std::filesystem::path suite_file_of(const std::string& argument);

// Composes the config of every run and checks the options of its components, so that a mistake in
// one run is an Error before any run starts. The registry's plugins must be loaded.
std::vector<PlannedRun> plan_runs(const SuiteFile& suite,
                                  const std::vector<std::filesystem::path>& config_dirs);

// The entry of a run in manifest.json, with the hash of each file that it reads.
nlohmann::ordered_json manifest_entry(const PlannedRun& planned);

// The entry of a launch in manifest.json: time, host, command and versions.
nlohmann::ordered_json launch_entry(const std::filesystem::path& suite_folder,
                                    const std::vector<std::string>& command);

}  // namespace roboimi::app
