// The loader of plugin files. It opens one file in three steps.
//
//   const Fingerprint fingerprint = check_plugin_file(file);         // reads, runs nothing
//   const PluginDescriptor& descriptor = open_plugin(file, fingerprint);   // dlopen
//   Registrar registrar = collect_components(descriptor);            // the plugin's own code
//
// A step that fails throws an Error that states what was expected, what was found and what to do.
// The caller sets its `where`. Libraries are never unloaded. A static initializer that throws or
// crashes ends the process inside open_plugin(); `roboimi plugins check` runs these steps in a
// child process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "roboimi/common/export.h"
#include "roboimi/plugin/component.h"
#include "roboimi/plugin/fingerprint.h"
#include "roboimi/plugin/plugin.h"

namespace roboimi {

// Identifies a file independently of its name, and distinguishes it from a file that replaced it.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;             // bytes
  std::int64_t modified_seconds = 0;  // since the epoch
  std::int64_t modified_nanoseconds = 0;

  bool operator==(const FileIdentity&) const = default;
  bool same_inode(const FileIdentity& other) const {
    return device == other.device && inode == other.inode;
  }
};

// Empty if there is no such file.
ROBOIMI_EXPORT std::optional<FileIdentity> identity_of(const std::filesystem::path& file);

// Reads the note of `file` and checks it against this host, and the file against its checksum.
ROBOIMI_EXPORT Fingerprint check_plugin_file(const std::filesystem::path& file);

// Opens the library (RTLD_NOW | RTLD_LOCAL) and checks its descriptor against the note.
ROBOIMI_EXPORT const PluginDescriptor& open_plugin(const std::filesystem::path& file,
                                                   const Fingerprint& fingerprint);

// Calls the plugin's register function. Any exception that it throws becomes an Error.
ROBOIMI_EXPORT Registrar collect_components(const PluginDescriptor& descriptor);

}  // namespace roboimi
