// Composition of config files, by rules similar to Hydra's.
//
//   ComposedConfig config = compose_config("lewm_imf_attnres", {"train.max_steps=2"});
//
//   # lewm_imf_attnres.yaml
//   defaults:
//     - agent: lewm_imf_attnres      # agent/lewm_imf_attnres.yaml, placed at `agent`
//     - train: default
//     - _self_                       # position of this file's own keys; by default the last
//   name: lewm_imf_attnres
//
// Defaults lists. In the file of group path P, the entry `- GROUP: NAME` selects P/GROUP/NAME.yaml
// or else GROUP/NAME.yaml, in the first search folder that has one, and places it at the key GROUP
// below the place of P. The entry `- NAME` merges a file of the same folder and `- FOLDER/NAME` a
// file of a subfolder, both at the place of the current file; groups of the latter are searched in
// the subfolder first. `- GROUP: null` selects nothing; on the command line, `env=null` also
// removes keys that other files set there. Tables are merged; otherwise the later value wins.
// Slashes name a choice: `agent/backbone=resnet18` on the command line replaces the choice that the
// agent's file made for `agent.backbone`.
//
// A group file that begins with the comment `# @package _global_` is placed at the root instead of
// at its group, so that one choice (`size=small`) can change all sections.
//
// `- optional GROUP: ${OTHER}` selects the file with the name that was chosen for the group OTHER,
// if there is such a file. For example, `size=small` has a separate file for each head. `optional`
// may precede any GROUP, and `${OTHER}` may replace any NAME of a group chosen earlier.
//
// Overrides. `a.b=c` changes a key that exists or is declared (see DeclaredKeys), `+a.b=c` adds a
// new key, `++a.b=c` does either, `~a.b` removes a key; values are YAML. In a table with a `type`,
// `a.plugin=FILE` needs no plus, and neither do later overrides of the keys of `a`, which then
// belong to that plugin's component. `a.type=NAME` with another name removes the keys of `a` that
// files set, unless the new component has all of them. `+train=NAME` adds a choice of a group.
//
// References. `${a.b}` is the value of another key (from the root); it may be part of a string. If
// it is the whole value of a key, and a component declares the option a.b but the config does not
// set it, both keys have the defaults of their own components.
// `${env:NAME}` and `${env:NAME,default}` are environment variables. `${file:../weights.ckpt}` is
// an absolute path, relative to the folder of the config file. `\${` is a literal `${`: the tree
// keeps the backslash, and reading an option removes it.
//
// The composed tree, when saved, reproduces the same run without any other file.
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
  ConfigNode root;                             // composed, with overrides and references resolved
  std::filesystem::path file;                  // the config file that was found
  std::map<std::string, std::string> choices;  // "agent/backbone" -> "lewm_vit"
  std::vector<std::filesystem::path> sources;  // all files read, in order
};

// The search folders: `config_dirs` (--config-dir), ROBOIMI_CONFIG_PATH (separated by colons),
// <install_prefix()>/share/roboimi/configs, and for a build that is not installed, the configs
// folder of its source tree. compose_config() searches the folder of the config before them.
ROBOIMI_EXPORT std::vector<std::filesystem::path> config_search_path(
    const std::vector<std::filesystem::path>& config_dirs);

// Returns the keys that components and sections declare, given the composed tree. An override of
// such a key needs no plus even if no file sets the key, and a reference may name one; the function
// is called only for such an override or reference. See compose_experiment() in train/experiment.h.
using DeclaredKeys = std::function<std::vector<std::string>(const ConfigNode& root)>;

// Composes `config`: a path, or else a name in the search folders, with or without ".yaml". Errors
// list the folders searched and suggest the nearest names.
ROBOIMI_EXPORT ComposedConfig
compose_config(const std::string& config, const std::vector<std::string>& overrides,
               const std::vector<std::filesystem::path>& config_dirs = {},
               const DeclaredKeys& declared = nullptr);

// Expands `a=1,2 b=x` into the overrides of each job, in order: the Cartesian product. Commas in
// brackets, braces and quotes do not separate values.
ROBOIMI_EXPORT std::vector<std::vector<std::string>> expand_sweep(
    const std::vector<std::string>& overrides);

}  // namespace roboimi
