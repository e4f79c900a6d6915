// Files to send to another machine, named by a hash of their contents. Files that already exist
// there under that name are not sent again. Internal to suite.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace roboimi {

struct Shipment {
  std::string name;                // KIND-HASH, the name of the remote folder
  std::string kind;                // shipments of the same kind are likely to share files
  std::filesystem::path base;      // the folder that `files` are below
  std::vector<std::string> files;  // sorted
};

// The program, its library, its plugins and its scripts, from the installation of this process.
Shipment program_shipment();
// A file, or a folder without its caches. Its remote path is NAME/<last part of `path`>.
Shipment path_shipment(const std::filesystem::path& path);

}  // namespace roboimi
