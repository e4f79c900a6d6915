#include "roboimi/io/zip_directory.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "roboimi/common/error.h"

// Field offsets follow PKWARE's APPNOTE.TXT 6.3.9, sections 4.3.7 to 4.3.16 and 4.5.3.
namespace roboimi {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint32_t kLocalHeader = 0x04034b50, kDirectoryHeader = 0x02014b50,
                        kEndOfDirectory = 0x06054b50, kEndOfDirectory64 = 0x06064b50,
                        kLocator64 = 0x07064b50;
constexpr std::size_t kLocalHeaderSize = 30, kDirectoryHeaderSize = 46, kEndSize = 22,
                      kEnd64Size = 56, kLocatorSize = 20;
constexpr std::uint64_t kMaxEntries = 1'000'000;

struct Directory {
  std::uint64_t offset = 0, size = 0, num_entries = 0;
};

class Reader {
 public:
  Reader(Bytes file, const std::filesystem::path& path) : file_(file), path_(path) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw Error({.what = "damaged zip archive: " + what,
                 .where = path_.string(),
                 .next = "copy the file again, or save it again"});
  }

  template <typename Number>
  Number at(std::uint64_t offset) const {
    Number number;
    if (offset > file_.size() || file_.size() - offset < sizeof(number)) {
      fail("it ends too early");
    }
    std::memcpy(&number, file_.data() + offset, sizeof(number));
    return number;
  }

  Bytes bytes(std::uint64_t offset, std::uint64_t size) const {
    if (offset > file_.size() || file_.size() - offset < size) fail("it ends too early");
    return file_.subspan(offset, size);
  }

  std::uint64_t size() const { return file_.size(); }

 private:
  Bytes file_;
  const std::filesystem::path& path_;
};

// The position of the end-of-directory record, which is the last one in the file, before a comment
// of up to 65535 bytes.
std::uint64_t find_end(const Reader& file) {
  if (file.size() < kEndSize) file.fail("it ends too early");
  const std::uint64_t last = file.size() - kEndSize;
  for (std::uint64_t back = 0; back <= std::min<std::uint64_t>(last, 65535); ++back) {
    const std::uint64_t offset = last - back;
    if (file.at<std::uint32_t>(offset) == kEndOfDirectory &&
        file.at<std::uint16_t>(offset + 20) == back) {
      return offset;
    }
  }
  file.fail("its directory is missing (the file is truncated)");
}

Directory find_directory(const Reader& file) {
  // Read the record, or its zip64 version.
  const std::uint64_t end = find_end(file);
  Directory directory{.offset = file.at<std::uint32_t>(end + 16),
                      .size = file.at<std::uint32_t>(end + 12),
                      .num_entries = file.at<std::uint16_t>(end + 10)};
  std::uint64_t directory_end = end;
  if (end >= kLocatorSize && file.at<std::uint32_t>(end - kLocatorSize) == kLocator64) {
    const std::uint64_t end64 = file.at<std::uint64_t>(end - kLocatorSize + 8);
    if (end64 > end - kLocatorSize || end - kLocatorSize - end64 < kEnd64Size ||
        file.at<std::uint32_t>(end64) != kEndOfDirectory64) {
      file.fail("its zip64 record is wrong");
    }
    directory = {.offset = file.at<std::uint64_t>(end64 + 48),
                 .size = file.at<std::uint64_t>(end64 + 40),
                 .num_entries = file.at<std::uint64_t>(end64 + 32)};
    directory_end = end64;
  }
  // The directory must end where the record begins.
  if (directory.offset > directory_end || directory.size != directory_end - directory.offset ||
      directory.num_entries > kMaxEntries ||
      directory.num_entries * kDirectoryHeaderSize > directory.size) {
    file.fail("its directory is not at the stated position");
  }
  return directory;
}

// Sizes and offsets of 0xffffffff are replaced by those in the zip64 extra field, in this order.
void read_zip64_field(const Reader& file, std::uint64_t extra, std::uint64_t extra_end,
                      ZipEntry& entry) {
  constexpr std::uint64_t kElsewhere = 0xffffffff;
  while (extra_end - extra >= 4) {
    const std::uint16_t id = file.at<std::uint16_t>(extra);
    const std::uint64_t size = file.at<std::uint16_t>(extra + 2);
    extra += 4;
    if (size > extra_end - extra) file.fail("an extra field is longer than its entry");
    if (id == 1) {
      std::uint64_t position = extra;
      for (std::uint64_t* field : {&entry.full_size, &entry.data_size, &entry.offset}) {
        if (*field != kElsewhere) continue;
        if (extra + size - position < 8) file.fail("a zip64 field is too short");
        *field = file.at<std::uint64_t>(position);
        position += 8;
      }
      return;
    }
    extra += size;
  }
}

// Reads the entry at `position` and advances `position` past it.
ZipEntry read_entry(const Reader& file, std::uint64_t& position, std::uint64_t directory_end) {
  if (directory_end - position < kDirectoryHeaderSize ||
      file.at<std::uint32_t>(position) != kDirectoryHeader) {
    file.fail("an entry of its directory is wrong");
  }
  // Read the fixed fields.
  const std::uint16_t flags = file.at<std::uint16_t>(position + 8);
  const std::uint64_t name_size = file.at<std::uint16_t>(position + 28);
  const std::uint64_t extra_size = file.at<std::uint16_t>(position + 30);
  const std::uint64_t comment_size = file.at<std::uint16_t>(position + 32);
  ZipEntry entry{.method = file.at<std::uint16_t>(position + 10),
                 .offset = file.at<std::uint32_t>(position + 42),
                 .data_size = file.at<std::uint32_t>(position + 20),
                 .full_size = file.at<std::uint32_t>(position + 24)};
  // Read the name and the extra field.
  position += kDirectoryHeaderSize;
  if (directory_end - position < name_size + extra_size + comment_size) {
    file.fail("an entry of its directory is wrong");
  }
  const Bytes name = file.bytes(position, name_size);
  entry.name.assign(name.begin(), name.end());
  read_zip64_field(file, position + name_size, position + name_size + extra_size, entry);
  position += name_size + extra_size + comment_size;
  if ((flags & 1) != 0) file.fail("entry '" + entry.name + "' is encrypted");
  return entry;
}

// One past the last byte of the entry, from its local header.
std::uint64_t end_of(const Reader& file, const ZipEntry& entry, std::uint64_t directory_offset) {
  if (entry.offset > directory_offset || directory_offset - entry.offset < kLocalHeaderSize ||
      file.at<std::uint32_t>(entry.offset) != kLocalHeader) {
    file.fail("entry '" + entry.name + "' is not at the position that the directory states");
  }
  const std::uint64_t data = entry.offset + kLocalHeaderSize +
                             file.at<std::uint16_t>(entry.offset + 26) +
                             file.at<std::uint16_t>(entry.offset + 28);
  if (data > directory_offset || directory_offset - data < entry.data_size) {
    file.fail("entry '" + entry.name + "' is larger than the file");
  }
  return data + entry.data_size;
}

void check_entries(const Reader& file, std::vector<ZipEntry> entries,
                   std::uint64_t directory_offset, RepeatedNames repeated) {
  std::sort(entries.begin(), entries.end(),
            [](const ZipEntry& a, const ZipEntry& b) { return a.offset < b.offset; });
  std::set<std::string> names;
  std::uint64_t free_from = 0;
  for (const ZipEntry& entry : entries) {
    const std::uint64_t end = end_of(file, entry, directory_offset);
    if (entry.offset < free_from) file.fail("entry '" + entry.name + "' overlaps another");
    if (entry.method == 0 && entry.data_size != entry.full_size) {
      file.fail("the two sizes of entry '" + entry.name + "' differ");
    }
    const bool is_new = names.insert(entry.name).second;
    if (!is_new && repeated == RepeatedNames::kAreDamage) {
      file.fail("entry '" + entry.name + "' appears twice");
    }
    free_from = end;
  }
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(Bytes bytes, const std::filesystem::path& path,
                                         RepeatedNames repeated) {
  const Reader file(bytes, path);
  const Directory directory = find_directory(file);
  const std::uint64_t directory_end = directory.offset + directory.size;
  std::uint64_t position = directory.offset;
  std::vector<ZipEntry> entries;
  for (std::uint64_t i = 0; i < directory.num_entries; ++i) {
    entries.push_back(read_entry(file, position, directory_end));
  }
  if (position != directory_end) file.fail("its directory is longer than its entries");
  check_entries(file, entries, directory.offset, repeated);
  return entries;
}

}  // namespace roboimi
