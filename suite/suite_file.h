// A suite file: a set of runs and the targets on which they run.
//
//   name: vit_transfer
//   config: lewm_imf_attnres.yaml          # of runs without their own
//   overrides: [train.max_steps=50000]     # of every run
//   seeds: [0, 1]                          # each run once per seed
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
// Unknown and missing keys, wrong types and values, and duplicate names are an Error with
// file:line:column. Names are used for folders and jobs, so they may only have letters, digits and
// . _ = + -.
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
  // local and ssh: one slot per GPU, or `slots` slots if there are none.
  std::vector<std::int64_t> gpus = {};
  std::int64_t slots = 1;
  std::int64_t threads = 0;  // train.threads of every run; 0: the value in the run's config
  // ssh
  std::string host = {};                  // as for ssh: user@machine, or a Host of ~/.ssh/config
  std::int64_t port = 0;                  // 0: ssh's default
  std::string folder = "roboimi_suites";  // there; relative to the home folder or absolute
  std::string identity = {};              // file of a private key; empty: ssh's default
  std::string known_hosts = {};           // file of host keys; empty: ssh's default
  // slurm: options of sbatch, as after #SBATCH: "--partition=gpu".
  std::vector<std::string> sbatch = {};
};

// One run: a row of the suite with one point of its grid and one seed.
struct SuiteRun {
  std::string name;   // unique: GROUP or GROUP_seedN
  std::string group;  // the same for all seeds; reports average over it
  std::string config;
  std::vector<std::string> overrides;
  std::optional<std::int64_t> seed;
  std::string target;
  std::optional<std::int64_t> gpu;  // one of the target's gpus; empty: any slot
};

struct SuiteFile {
  std::filesystem::path file;
  std::string name;
  std::vector<SuiteRun> runs;  // all runs of the first seed first
  std::map<std::string, TargetSpec> targets;
};

ROBOIMI_EXPORT SuiteFile read_suite_file(const std::filesystem::path& file);

}  // namespace roboimi
