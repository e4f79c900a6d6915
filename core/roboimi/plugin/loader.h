// Opens one plugin file, in three steps that registration builds on.
//
//   const Fingerprint fingerprint = check_plugin_file(file);         // reads, runs nothing
//   const PluginDescriptor& descriptor = open_plugin(file, fingerprint);   // dlopen
//   Registrar registrar = collect_components(descriptor);            // the plugin's own code
//
// Each throws an Error that says what was expected, what was found and what to do; its `where` is
// left to the caller. Nothing is ever unloaded. A static initialiser that throws or crashes ends
// the process inside open_plugin(): `roboimi plugins check` does these steps in a child process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "roboimi/common/export.h"
#include "roboimi/plugin/component.h"
#include "roboimi/plugin/fingerprint.h"
#include "roboimi/plugin/plugin.h"

namespace roboimi {

// Tells files apart, whatever they are called, and a file from what replaced it.
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

// Empty when there is no such file.
ROBOIMI_EXPORT std::optional<FileIdentity> identity_of(const std::filesystem::path& file);

// Reads the note of `file`, compares it with this host and the file with its checksum.
ROBOIMI_EXPORT Fingerprint check_plugin_file(const std::filesystem::path& file);

// Opens the library (RTLD_NOW | RTLD_LOCAL) and checks its descriptor against the note.
ROBOIMI_EXPORT const PluginDescriptor& open_plugin(const std::filesystem::path& file,
                                                   const Fingerprint& fingerprint);

// Calls the plugin's register function; whatever that throws becomes an Error.
ROBOIMI_EXPORT Registrar collect_components(const PluginDescriptor& descriptor);

}  // namespace roboimi
