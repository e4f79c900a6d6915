#include "roboimi/io/parquet/footer.h"

#include <array>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/common/lfs_pointer.h"
#include "roboimi/common/text.h"

namespace roboimi::parquet {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagic = "PAR1";
constexpr std::string_view kEncryptedMagic = "PARE";
constexpr std::size_t kTail = 8;  // bytes of the length and the magic at the end

struct Kind {
  std::string_view start;
  const char* name;
  const char* next;
};

// Formats of files that are found in place of a Parquet file.
constexpr std::array kKinds = {
    Kind{kLfsPointerStart, kLfsPointerFound, kLfsPointerNext},
    Kind{"<!DOCTYPE"sv, "a web page", "download the file itself"},
    Kind{"<html"sv, "a web page", "download the file itself"},
    Kind{"<?xml"sv, "an XML document, such as a storage service's error",
         "download the file itself"},
    Kind{"\x1f\x8b"sv, "a gzip archive", "unpack it"},
    Kind{"PK\x03\x04"sv, "a zip archive", "unpack it"},
    Kind{"\x28\xb5\x2f\xfd"sv, "a zstd archive", "unpack it"},
    Kind{"ARROW1"sv, "an Arrow IPC file", "save it again as Parquet"},
    Kind{"FEA1"sv, "a Feather file", "save it again as Parquet"},
};

[[noreturn]] void not_parquet(const MappedFile& file, const std::string& found,
                              const std::string& next) {
  throw Error({.what = "not a Parquet file",
               .where = file.path().string(),
               .expected = "a Parquet file",
               .found = found,
               .next = next});
}

[[noreturn]] void refuse_other_file(const MappedFile& file, std::string_view text) {
  if (text.empty()) {
    not_parquet(file, "an empty file of 0 bytes", "copy or record the file again");
  }
  for (const Kind& kind : kKinds) {
    if (text.starts_with(kind.start)) not_parquet(file, kind.name, kind.next);
  }
  not_parquet(file, "a file that begins with '" + printable(text.substr(0, 16)) + "'",
              "the file is damaged or has another format: copy or download it again");
}

}  // namespace

FileParts parts_of(const MappedFile& file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  // The start, which names the format.
  if (text.starts_with(kEncryptedMagic)) {
    throw Error({.what = "the Parquet file is encrypted",
                 .where = file.path().string(),
                 .next = "write it again without encryption"});
  }
  if (!text.starts_with(kMagic)) refuse_other_file(file, text);
  // The end.
  if (text.size() < kMagic.size() + kTail || !text.ends_with(kMagic)) {
    throw Error(
        {.what = "no Parquet footer: the recording was not closed, or the copy was cut short",
         .where = file.path().string(),
         .expected = "a footer and 'PAR1' at the end",
         .found = std::to_string(text.size()) + " bytes without them",
         .next = "copy the file again, or leave out its episodes"});
  }
  const std::size_t before_tail = text.size() - kTail;
  const auto length = load<std::uint32_t>(file.data() + before_tail);
  if (length > before_tail - kMagic.size()) {
    throw Error({.what = "the Parquet footer is longer than the file",
                 .where = file.path().string(),
                 .expected = "at most " + std::to_string(before_tail - kMagic.size()) + " bytes",
                 .found = std::to_string(length),
                 .next = "copy or download the file again"});
  }
  const Bytes all(file.data(), file.size());
  return {.data = all.first(before_tail - length),
          .footer = all.subspan(before_tail - length, length)};
}

}  // namespace roboimi::parquet
