#include "plugins/torchscript_backbone/archive.h"

#include <algorithm>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/contract/weights_follow.h"
#include "roboimi/io/zip_archive.h"

namespace roboimi::torchscript_backbone {

const char* const kHowToExport =
    "export it in Python: torch.jit.script(model.eval()).save(FILE), or "
    "torch.jit.trace(model.eval(), example).save(FILE)";

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_missing(const fs::path& file) {
  throw Error({.what = "no such file",
               .where = file.string(),
               .expected = "an encoder exported from Python",
               .next = WeightsFollow::active()
                           ? "the run has no copy of it, and a checkpoint holds the encoder's "
                             "weights but not its program: copy the file to this path, or set "
                             "agent.backbone.file=FILE"
                           : kHowToExport});
}

[[noreturn]] void fail_kind(const fs::path& file, const std::string& found) {
  throw Error({.what = "not a TorchScript archive",
               .where = file.string(),
               .expected = "a program with its weights, as written by torch.jit.save",
               .found = found,
               .next = kHowToExport});
}

// The format according to the first bytes; empty for a zip archive, which includes TorchScript.
std::string other_format(const fs::path& path) {
  const MappedFile file(path);
  const std::string_view start(reinterpret_cast<const char*>(file.data()),
                               std::min<std::size_t>(file.size(), 9));
  if (start.starts_with("PK")) return "";
  if (start.empty()) return "an empty file";
  if (start.size() > 8 && start[8] == '{') return "a safetensors file: weights without a program";
  if (start[0] == '\x80') return "a pickle: weights or Python objects without a program";
  return "not a zip archive";
}

// The name without the archive's top folder: "encoder/code/__torch__.py" -> "code/__torch__.py".
std::string_view without_folder(const std::string& name) {
  return std::string_view(name).substr(name.find('/') + 1);
}

bool has_entry(const ZipArchive& archive, std::string_view start) {
  return std::any_of(
      archive.entries().begin(), archive.entries().end(),
      [&](const ZipEntry& entry) { return without_folder(entry.name).starts_with(start); });
}

}  // namespace

void check_archive(const fs::path& file) {
  if (!fs::exists(file)) fail_missing(file);
  if (fs::is_directory(file)) fail_kind(file, "a folder");
  if (const std::string found = other_format(file); !found.empty()) fail_kind(file, found);
  const ZipArchive archive(file);
  if (!has_entry(archive, "constants.pkl") || !has_entry(archive, "code/")) {
    if (has_entry(archive, "archive_format")) fail_kind(file, "a torch.export program (.pt2)");
    if (has_entry(archive, "data.pkl")) {
      fail_kind(file, "a torch.save file: weights or a pickled module without a program");
    }
    fail_kind(file, "another zip archive");
  }
  for (const ZipEntry& entry : archive.entries()) archive.read(entry.name, entry.full_size);
}

}  // namespace roboimi::torchscript_backbone
