#include "roboimi/io/torch_file.h"

#include <ATen/ATen.h>

#include <array>
#include <cstring>
#include <map>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/text.h"
#include "roboimi/io/unpickler.h"
#include "roboimi/io/zip_archive.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxPickle = 64 << 20;
// Views of one storage count again, so the sum may exceed the file: tied weights, buffers expanded.
constexpr std::uint64_t kMaxRepeats = 16, kAlwaysAllowed = 64 << 20;

[[noreturn]] void refuse(const fs::path& path, const std::string& found, const std::string& next) {
  throw Error({.what = "cannot read weights",
               .where = path.string(),
               .expected = "a safetensors file or a zip archive of torch.save",
               .found = found,
               .next = next});
}

std::string convert_hint(const fs::path& path) {
  const std::string name = printable(path.filename().string());
  return "convert it where you trust it, in Python: torch.save(torch.load('" + name +
         "', map_location='cpu', weights_only=True), 'converted.pt')";
}

// Formats that are often mistaken for one of ours.
void refuse_known_formats(const fs::path& path) {
  const MappedFile file(path);
  const std::string_view start(reinterpret_cast<const char*>(file.data()),
                               std::min<std::size_t>(file.size(), 512));
  if (start.empty()) refuse(path, "an empty file", "");
  if (start.starts_with("PK")) return;
  // A pickled long 0x1950a86a20f9469cfc6c opens the format used before PyTorch 1.6.
  constexpr std::string_view kLegacyMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
  if (start.size() > 14 && start.substr(2, 12) == kLegacyMagic) {
    refuse(path, "the format of torch.save before PyTorch 1.6", convert_hint(path));
  }
  if (start.size() > 262 && start.substr(257, 5) == "ustar") {
    refuse(path, "a tar archive, the format of torch.save before PyTorch 0.4", convert_hint(path));
  }
  if (start.starts_with("\x80")) {
    refuse(path, "a bare pickle", "save the weights with torch.save or safetensors");
  }
  if (start.starts_with("\x93NUMPY")) refuse(path, "a NumPy array", "");
  refuse(path, "neither", "the file is damaged, or of another format");
}

// "model" of "model/data.pkl": everything of one torch.save lies in one folder.
std::string folder_of(const ZipArchive& archive) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::string folder;
  bool numpy = false;
  for (const ZipEntry& entry : archive.entries()) {
    numpy |= entry.name.ends_with(".npy");
    if (!entry.name.ends_with(kPickle)) continue;
    const std::string name = entry.name.substr(0, entry.name.size() - kPickle.size());
    if (name.find('/') == std::string::npos && folder.empty()) folder = name;
  }
  if (folder.empty()) {
    refuse(archive.path(), numpy ? "a NumPy archive" : "a zip archive of something else", "");
  }
  for (const ZipEntry& entry : archive.entries()) {
    if (entry.name == folder + "/constants.pkl" || entry.name.starts_with(folder + "/code/")) {
      refuse(archive.path(), "a TorchScript archive",
             "save its weights in Python: torch.save(torch.jit.load(FILE).state_dict(), OUT)");
    }
  }
  return folder;
}

}  // namespace

PickleGraph read_torch_file(const fs::path& path) {
  refuse_known_formats(path);
  const ZipArchive archive(path);
  const std::string folder = folder_of(archive);
  if (archive.find(folder + "/byteorder") != nullptr &&
      archive.read_text(folder + "/byteorder", 16) != "little") {
    refuse(path, "weights of a big-endian machine", "save them again on a little-endian one");
  }
  const std::string pickle = archive.read_text(folder + "/data.pkl", kMaxPickle);
  std::map<std::string, at::Tensor> storages;
  const LoadStorage load_storage = [&](const std::string& key) {
    const auto known = storages.find(key);
    if (known != storages.end()) return known->second;
    const std::string name = folder + "/data/" + key;
    if (archive.find(name) == nullptr) {
      throw Error({.what = "damaged PyTorch file: storage '" + printable(key) + "' is missing",
                   .where = path.string()});
    }
    return storages.emplace(key, archive.read(name, INT64_MAX)).first->second;
  };
  const std::uint64_t max_tensor_bytes = kMaxRepeats * archive.file_size() + kAlwaysAllowed;
  return unpickle({reinterpret_cast<const std::uint8_t*>(pickle.data()), pickle.size()},
                  load_storage, max_tensor_bytes, path.string());
}

}  // namespace roboimi
