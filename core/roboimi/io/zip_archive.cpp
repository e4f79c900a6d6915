#include "roboimi/io/zip_archive.h"

#include <ATen/ATen.h>
#include <zip.h>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

[[noreturn]] void fail_archive(const std::filesystem::path& path, const std::string& what) {
  throw Error({.what = "damaged zip archive: " + what,
               .where = path.string(),
               .next = "copy the file again, or save it again"});
}

constexpr std::uint16_t kStored = 0, kDeflated = 8;
constexpr char kPackAgain[] = "unpack it and zip it again without compression (zip -0)";

// Names of methods, from PKWARE's APPNOTE.TXT 6.3.9, section 4.4.5.
std::string method_name(std::uint16_t method) {
  switch (method) {
    case 9:
      return "deflate64";
    case 12:
      return "bzip2";
    case 14:
      return "LZMA";
    case 93:
      return "zstd";
    case 95:
      return "xz";
    default:
      return "method " + std::to_string(method);
  }
}

void check_method(const std::filesystem::path& path, const ZipEntry& entry) {
  if (entry.method == kStored || entry.method == kDeflated) return;
  throw Error({.what = "the archive is compressed with a method that is not known",
               .where = path.string(),
               .expected = "no compression, or deflate",
               .found = method_name(entry.method) + " of entry '" + entry.name + "'",
               .next = kPackAgain});
}

}  // namespace

struct ZipArchive::Handle {
  zip_t* zip = nullptr;
  ~Handle() {
    if (zip != nullptr) zip_discard(zip);
  }
};

ZipArchive::ZipArchive(const std::filesystem::path& path, RepeatedNames repeated)
    : file_(path), handle_(std::make_unique<Handle>()) {
  // Read the directory, and limit the size of compressed entries.
  entries_ = read_zip_directory({file_.data(), file_.size()}, path, repeated);
  std::uint64_t inflated = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const ZipEntry& entry = entries_[i];
    index_[entry.name] = i;
    check_method(path, entry);
    if (entry.method != kDeflated) continue;
    if (entry.full_size > kMaxInflated || (inflated += entry.full_size) > kMaxInflated) {
      throw Error(
          {.what = "the archive is too large when unpacked",
           .where = path.string(),
           .expected = "at most " + std::to_string(kMaxInflated >> 20) + " MiB",
           .found = "entry '" + entry.name + "' of " + std::to_string(entry.full_size) + " bytes",
           .next = kPackAgain});
    }
  }
  // Open the archive with libzip.
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(file_.data(), file_.size(), 0, &error);
  if (source != nullptr) {
    handle_->zip = zip_open_from_source(source, ZIP_RDONLY, &error);
    if (handle_->zip == nullptr) zip_source_free(source);
  }
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  if (handle_->zip == nullptr) fail_archive(path, reason);
  // From here on libzip's directory is used, so it must equal the checked one.
  if (static_cast<std::size_t>(zip_get_num_entries(handle_->zip, 0)) != entries_.size()) {
    fail_archive(path, "its directory is inconsistent");
  }
}

ZipArchive::~ZipArchive() = default;

const ZipEntry* ZipArchive::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

at::Tensor ZipArchive::read(const std::string& name, std::uint64_t max_size) const {
  // Find the entry, and check that libzip sees the same one.
  const ZipEntry* entry = find(name);
  if (entry == nullptr) fail_archive(path(), "it has no entry '" + name + "'");
  if (entry->full_size > max_size) {
    throw Error({.what = "entry '" + name + "' is too large",
                 .where = path().string(),
                 .expected = "at most " + std::to_string(max_size) + " bytes",
                 .found = std::to_string(entry->full_size)});
  }
  const auto index = static_cast<zip_uint64_t>(entry - entries_.data());
  zip_stat_t status;
  zip_stat_init(&status);
  if (zip_stat_index(handle_->zip, index, 0, &status) != 0 || status.name != name ||
      status.size != entry->full_size || status.comp_size != entry->data_size ||
      status.comp_method != entry->method) {
    fail_archive(path(), "the directory is inconsistent about entry '" + name + "'");
  }
  // Unpack it.
  const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> file(
      zip_fopen_index(handle_->zip, index, 0), zip_fclose);
  if (file == nullptr) fail_archive(path(), "entry '" + name + "': " + zip_strerror(handle_->zip));
  at::Tensor bytes = at::empty({static_cast<std::int64_t>(entry->full_size)}, at::kByte);
  std::uint8_t* position = bytes.data_ptr<std::uint8_t>();
  std::uint64_t rest = entry->full_size;
  zip_int64_t got = 1;
  while (rest > 0 && (got = zip_fread(file.get(), position, rest)) > 0) {
    position += got;
    rest -= static_cast<std::uint64_t>(got);
  }
  // libzip checks the CRC when the end is read.
  std::uint8_t beyond = 0;
  if (rest == 0) got = zip_fread(file.get(), &beyond, 1);
  if (got != 0 || rest != 0) {
    const char* reason = zip_file_strerror(file.get());
    fail_archive(path(), "entry '" + name + "': " + (got < 0 ? reason : "its length is wrong"));
  }
  return bytes;
}

std::string ZipArchive::read_text(const std::string& name, std::uint64_t max_size) const {
  const at::Tensor bytes = read(name, max_size);
  return {static_cast<const char*>(bytes.const_data_ptr()),
          static_cast<std::size_t>(bytes.numel())};
}

}  // namespace roboimi
