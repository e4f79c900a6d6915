// Composition of experiment files, with Hydra's habits.
//
//   ComposedConfig config = compose_config("lewm_imf_attnres", {"train.max_steps=2"});
//
//   # lewm_imf_attnres.yaml
//   defaults:
//     - agent: lewm_imf_attnres      # agent/lewm_imf_attnres.yaml, placed at `agent`
//     - train: default
//     - _self_                       # this file's own keys come here (last, when left out)
//   name: lewm_imf_attnres
//
// An entry `- GROUP: NAME` inside the file of group path P is looked for as P/GROUP/NAME.yaml and
// then as GROUP/NAME.yaml, in each search folder, and is placed at the key GROUP under P's own
// place. An entry `- NAME` merges a file of the same folder, `- FOLDER/NAME` one of a folder below
// it (where that file's own groups are then looked for first), both in place; `- GROUP: null`
// selects nothing; on the command line (`env=null`) it also drops what other files put there. A
// later merge wins, map by map. The choice is addressed by its place with
// slashes: `agent/backbone=resnet18` on the command line swaps what agent's own file chose at
// `agent.backbone`.
//
// A group file whose first comment lines say `# @package _global_` is placed at the root instead
// of its group's place, so that one choice (`size=small`) can change every part.
//
// In a file that is chosen after others, `- optional GROUP: ${OTHER}` selects the file that is
// named as the choice of the group OTHER, where there is such a file: `size=small` can so have
// numbers of its own for each head. `optional` may stand before any GROUP, and `${OTHER}` for any
// NAME.
//
// Overrides: `a.b=c` changes a key that exists or is declared (see DeclaredKeys), `+a.b=c` adds one
// that does not exist, `++a.b=c` either, `~a.b` removes; values are YAML. Of a table with a `type`,
// `a.plugin=FILE` needs no plus, nor do the keys of `a` after it: they are that component's.
// `+train=NAME` adds a group choice. `${a.b}` refers to another key (absolute), also inside a text;
// `${env:NAME}` or `${env:NAME,default}` reads the environment;
// `${file:../weights.ckpt}` is the path of a file, from the folder of the file it is written in;
// `\${` is a literal `${`: the tree keeps the backslash, and reading an option drops it. The
// composed tree alone, saved, gives the same run.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"

namespace roboimi {

struct ComposedConfig {
  ConfigNode root;                             // defaults composed, overrides applied, resolved
  std::filesystem::path file;                  // the experiment file found
  std::map<std::string, std::string> choices;  // "agent/backbone" -> "lewm_vit"
  std::vector<std::filesystem::path> sources;  // every file read, in order
};

// The folders searched: the config's own folder, `config_dirs` (--config-dir), ROBOIMI_CONFIG_PATH
// (colon-separated), <install_prefix()>/share/roboimi/configs, and for a build that is not
// installed the configs folder of its source tree.
ROBOIMI_EXPORT std::vector<std::filesystem::path> config_search_path(
    const std::vector<std::filesystem::path>& config_dirs);

// The keys that a config may leave out, since components and sections declare defaults for them,
// given the composed tree: `a.b=c` then needs no plus. Called only for an override of a key that no
// file writes. See compose_experiment() in train/experiment.h.
using DeclaredKeys = std::function<std::vector<std::string>(const ConfigNode& root)>;

// `config` as given, then by name in the search path, with or without ".yaml". Errors name every
// folder searched, and the nearest file names.
ROBOIMI_EXPORT ComposedConfig
compose_config(const std::string& config, const std::vector<std::string>& overrides,
               const std::vector<std::filesystem::path>& config_dirs = {},
               const DeclaredKeys& declared = nullptr);

// `a=1,2 b=x` -> the lists of overrides of each job, in order: the cartesian product. Commas inside
// brackets, braces and quotes do not split.
ROBOIMI_EXPORT std::vector<std::vector<std::string>> expand_sweep(
    const std::vector<std::string>& overrides);

}  // namespace roboimi
