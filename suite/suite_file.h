// A suite: many runs that belong together, and where they are to run.
//
//   name: vit_transfer
//   config: lewm_imf_attnres.yaml          # of every run that names none
//   overrides: [train.max_steps=50000]     # of every run
//   seeds: [0, 1]                          # each run once a seed
//   runs:
//     - {name: n_emb_384, overrides: [agent.head.n_emb=384], gpu: 0}
//     - name: n_layer
//       grid: {agent.head.n_layer: [6, 12]}
//   targets:
//     here: {kind: local, gpus: [0, 1]}
//
//   SuiteFile suite = read_suite_file("experiment_suites/vit/suite.yaml");
//   for (const SuiteRun& run : suite.runs) ...   // n_emb_384_seed0, n_layer_6_seed0, ...
//
// Unknown and missing keys, wrong types and values, and two runs of one name are an Error with
// file:line:column. A name becomes a folder's and a job's: letters, digits and . _ = + - only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

enum class TargetKind { kLocal, kSsh, kSlurm };
// "local", "ssh", "slurm".
ROBOIMI_EXPORT const char* to_string(TargetKind kind);

struct TargetSpec {
  std::string name;
  TargetKind kind = TargetKind::kLocal;
  // local and ssh: a slot for each of these GPUs, or, when there are none, `slots` slots.
  std::vector<std::int64_t> gpus = {};
  std::int64_t slots = 1;
  std::int64_t threads = 0;  // train.threads of every run here; 0: as the run's config says
  // ssh
  std::string host = {};         // as ssh takes it: user@machine, or a name of ~/.ssh/config
  std::int64_t port = 0;         // 0: ssh's own
  std::string folder = {};       // there; relative to the home folder unless it is absolute
  std::string identity = {};     // file of a private key; empty: ssh's own
  std::string known_hosts = {};  // file of host keys; empty: ssh's own
  // slurm: lines for sbatch, as they stand after #SBATCH: "--partition=gpu".
  std::vector<std::string> sbatch = {};
};

// One run to be made: a row of the suite with one point of its grid and one seed.
struct SuiteRun {
  std::string name;   // unique: GROUP or GROUP_seedN
  std::string group;  // the same for all seeds: what a report averages over
  std::string config;
  std::vector<std::string> overrides;
  std::optional<std::int64_t> seed;
  std::string target;
  std::optional<std::int64_t> gpu;  // of the target's gpus; none: any slot
};

struct SuiteFile {
  std::filesystem::path file;
  std::string name;
  std::vector<SuiteRun> runs;  // all runs of the first seed first
  std::map<std::string, TargetSpec> targets;
};

ROBOIMI_EXPORT SuiteFile read_suite_file(const std::filesystem::path& file);

}  // namespace roboimi
