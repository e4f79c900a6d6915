#include "roboimi/io/torch_file.h"

#include <ATen/ATen.h>

#include <map>
#include <optional>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/io/unpickler.h"
#include "roboimi/io/weight_file_format.h"
#include "roboimi/io/zip_archive.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxPickle = 64 << 20;
// Views of one storage count each time (tied weights, expanded buffers), so their sum may exceed
// the size of the file.
constexpr std::uint64_t kMaxRepeats = 16, kAlwaysAllowed = 64 << 20;

bool is_weight_file(const std::string& name) {
  const std::string ending = fs::path(name).extension().string();
  return ending == ".pt" || ending == ".pth" || ending == ".ckpt" || ending == ".bin" ||
         ending == ".safetensors";
}

// Throws for an archive that is not a torch.save file; the message names what it is.
[[noreturn]] void refuse_archive(const ZipArchive& archive) {
  bool numpy = false;
  for (const ZipEntry& entry : archive.entries()) {
    numpy |= entry.name.ends_with(".npy");
    if (!is_weight_file(entry.name) || entry.name.starts_with("__MACOSX/")) continue;
    const std::string name = printable(entry.name);
    refuse_weight_file(
        archive.path(), "a zip archive that holds '" + name + "'",
        "unpack it first: unzip '" + printable(archive.path().string()) + "', then name " + name);
  }
  refuse_weight_file(archive.path(), numpy ? "a NumPy archive" : "a zip archive without weights",
                     "");
}

// The folder in the archive, "model/" for "model/data.pkl". torch.save writes everything to one
// folder, which an archive tool may have renamed or removed.
std::string folder_of(const ZipArchive& archive) {
  constexpr std::string_view kPickle = "data.pkl";
  std::optional<std::string> folder;
  for (const ZipEntry& entry : archive.entries()) {
    if (entry.name != kPickle && !entry.name.ends_with("/data.pkl")) continue;
    const std::string found = entry.name.substr(0, entry.name.size() - kPickle.size());
    if (!folder || found.size() < folder->size()) folder = found;
  }
  if (!folder) refuse_archive(archive);
  for (const ZipEntry& entry : archive.entries()) {
    if (entry.name == *folder + "constants.pkl" || entry.name.starts_with(*folder + "code/")) {
      refuse_weight_file(
          archive.path(), "a TorchScript archive",
          "save its weights in Python: torch.save(torch.jit.load(FILE).state_dict(), "
          "OUT)");
    }
  }
  return *folder;
}

}  // namespace

PickleGraph read_torch_file(const fs::path& path) {
  // Open the archive.
  const ZipArchive archive(path);
  const std::string folder = folder_of(archive);
  if (archive.find(folder + "byteorder") != nullptr &&
      archive.read_text(folder + "byteorder", 16) != "little") {
    refuse_weight_file(path, "weights of a big-endian machine",
                       "save them again on a little-endian one");
  }
  // Read the pickle, and the storages when it refers to them.
  const std::string pickle = archive.read_text(folder + "data.pkl", kMaxPickle);
  std::map<std::string, at::Tensor> storages;
  const LoadStorage load_storage = [&](const StorageClaim& claim) {
    const auto known = storages.find(claim.key);
    if (known != storages.end()) return known->second;
    const std::string name = folder + "data/" + claim.key;
    if (archive.find(name) == nullptr) {
      throw Error(
          {.what = "damaged PyTorch file: storage '" + printable(claim.key) + "' is missing",
           .where = path.string()});
    }
    return storages.emplace(claim.key, archive.read(name, INT64_MAX)).first->second;
  };
  const std::uint64_t max_tensor_bytes = kMaxRepeats * archive.file_size() + kAlwaysAllowed;
  return unpickle({reinterpret_cast<const std::uint8_t*>(pickle.data()), pickle.size()},
                  load_storage, max_tensor_bytes, path.string());
}

}  // namespace roboimi
