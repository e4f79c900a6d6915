#include "roboimi/io/weight_file_format.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/lfs_pointer.h"
#include "roboimi/common/text.h"

namespace roboimi {
namespace {

struct KnownFormat {
  std::string_view bytes;
  const char* name;
  const char* next;
};

constexpr const char* kSaveAgain = "save the weights with torch.save or safetensors";

// Formats that are often mistaken for weights.
constexpr KnownFormat kOtherFormats[] = {
    {kLfsPointerStart, kLfsPointerFound, kLfsPointerNext},
    {"<?xml", "an XML document, such as a storage service's error", "download the file itself"},
    {"\x93NUMPY", "a NumPy array", kSaveAgain},
    {"\x89HDF\r\n", "an .h5 file, as Keras saves weights", kSaveAgain},
    {"GGUF", "a GGUF file", kSaveAgain},
    {"\x1f\x8b", "a gzip archive", "unpack it first: gunzip, or tar xf"},
    {"BZh", "a bzip2 archive", "unpack it first: bunzip2, or tar xf"},
    {std::string_view("\xfd"
                      "7zXZ\0",
                      6),
     "an xz archive", "unpack it first: unxz, or tar xf"},
    {"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it first: unzstd, or tar xf"},
    {"Rar!", "a RAR archive", "unpack it first"},
    {"7z\xbc\xaf", "a 7z archive", "unpack it first"},
};

// Files from before PyTorch 1.6 start with the pickled long 0x1950a86a20f9469cfc6c.
constexpr std::string_view kLegacyMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);

bool is_web_page(std::string_view start) {
  // Skip white space and a byte order mark.
  start.remove_prefix(std::min(start.find_first_not_of(" \t\r\n\xef\xbb\xbf"), start.size()));
  std::string tag(start.substr(0, 9));
  std::transform(tag.begin(), tag.end(), tag.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return tag == "<!doctype" || tag.starts_with("<html") || tag.starts_with("<head");
}

void refuse_tar(const std::filesystem::path& path, const MappedFile& file) {
  // PyTorch's old tar format contains these files.
  const std::string_view all(reinterpret_cast<const char*>(file.data()), file.size());
  const bool of_torch = all.find("storages") != std::string_view::npos &&
                        all.find("sys_info") != std::string_view::npos;
  if (!of_torch) refuse_weight_file(path, "a tar archive", "unpack it first: tar xf");
  refuse_weight_file(path, "a tar archive, the format of torch.save before PyTorch 0.4",
                     "convert it in Python, but only if you trust the file, because this can run "
                     "code in it: " +
                         convert_statement(path, false));
}

}  // namespace

void refuse_weight_file(const std::filesystem::path& path, const std::string& found,
                        const std::string& next) {
  throw Error({.what = "cannot read weights",
               .where = path.string(),
               .expected = "a safetensors or torch.save file",
               .found = found,
               .next = next});
}

std::string convert_statement(const std::filesystem::path& path, bool weights_only) {
  std::string quoted;
  for (const char c : path.string()) {
    if (c == '\\' || c == '\'') quoted += '\\';
    quoted += c;
  }
  return "torch.save(torch.load('" + printable(quoted, 4096) +
         "', map_location='cpu', weights_only=" + (weights_only ? "True" : "False") +
         "), 'converted.pt')";
}

WeightFileFormat weight_file_format(const std::filesystem::path& path) {
  // Supported PyTorch formats.
  const MappedFile file(path);
  const std::string_view start(reinterpret_cast<const char*>(file.data()),
                               std::min<std::size_t>(file.size(), 512));
  if (start.starts_with("PK\x03\x04") || start.starts_with("PK\x05\x06")) {
    return WeightFileFormat::kTorchZip;
  }
  if (start.size() > 14 && start.substr(2, 12) == kLegacyMagic) {
    return WeightFileFormat::kTorchLegacy;
  }
  // Formats with an explanation.
  for (const KnownFormat& known : kOtherFormats) {
    if (start.starts_with(known.bytes)) refuse_weight_file(path, known.name, known.next);
  }
  if (is_web_page(start)) {
    refuse_weight_file(path, "a web page in place of the weights",
                       "download the file itself: this is a login or an error page");
  }
  if (start.size() > 262 && start.substr(257, 5) == "ustar") refuse_tar(path, file);
  // Safetensors, or none of all these.
  if (path.extension() == ".safetensors" || (start.size() > 8 && start[8] == '{')) {
    return WeightFileFormat::kSafetensors;
  }
  if (start.empty()) refuse_weight_file(path, "an empty file", "copy or download it again");
  if (start.starts_with("\x80")) refuse_weight_file(path, "a bare pickle", kSaveAgain);
  refuse_weight_file(path, "neither", "the file is damaged or has another format");
}

}  // namespace roboimi
