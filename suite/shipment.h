// Files that go to another machine under a name made of their contents: what is there under that
// name is the same, and is not sent again. Internal to suite.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace roboimi {

struct Shipment {
  std::string name;                // KIND-HASH, of the folder there
  std::string kind;                // what an older one of it would be alike to
  std::filesystem::path base;      // the folder that `files` are below
  std::vector<std::string> files;  // sorted
};

// The program, its library, its plugins and its scripts, from the folder that this process runs
// from.
Shipment program_shipment();
// A file, or a folder with all in it but caches. There it is at NAME/<last part of `path`>.
Shipment path_shipment(const std::filesystem::path& path);

}  // namespace roboimi
