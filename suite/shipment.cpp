#include "suite/shipment.h"

#include <algorithm>
#include <array>

#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/install_prefix.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// Caches, which are created again there, and internal files of collections.
constexpr std::array kExcluded = {".roboimi_cache", ".staged", ".lock"};

void add_below(const fs::path& base, const fs::path& folder, std::vector<std::string>& files) {
  std::error_code error;
  auto entry = fs::recursive_directory_iterator(
      folder, fs::directory_options::follow_directory_symlink, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (std::ranges::find(kExcluded, entry->path().filename().string()) != kExcluded.end()) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      files.push_back(entry->path().lexically_relative(base).string());
    }
  }
  if (error && fs::exists(folder)) {
    throw Error({.what = "cannot read: " + error.message(), .where = folder.string()});
  }
}

Shipment named(std::string kind, fs::path base, std::vector<std::string> files) {
  std::sort(files.begin(), files.end());
  Sha256 hash;
  for (const std::string& file : files) {
    hash.update_text(file).update_text(sha256_file(base / file));
  }
  constexpr std::size_t kDigits = 24;
  return {.name = kind + "-" + hash.hex().substr(0, kDigits),
          .kind = kind,
          .base = std::move(base),
          .files = std::move(files)};
}

}  // namespace

Shipment program_shipment() {
  const fs::path prefix = install_prefix();
  std::vector<std::string> files = {"bin/roboimi", "lib/libroboimi.so"};
  for (const char* folder :
       {"lib/roboimi/plugins", "lib/roboimi/external", "share/roboimi/scripts"}) {
    add_below(prefix, prefix / folder, files);
  }
  return named("program", prefix, std::move(files));
}

Shipment path_shipment(const fs::path& path) {
  const fs::path whole = fs::canonical(path);
  std::vector<std::string> files;
  if (fs::is_directory(whole)) {
    add_below(whole.parent_path(), whole, files);
  } else {
    files.push_back(whole.filename().string());
  }
  return named("files", whole.parent_path(), std::move(files));
}

}  // namespace roboimi
