// Implements cut_events_back(), which removes later steps from event files.
#include <cstring>
#include <optional>
#include <string_view>

#include "roboimi/common/files.h"
#include "roboimi/track/event_format.h"
#include "roboimi/track/tensorboard_file.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// ---- Protocol buffers ---------------------------------------------------------------------------

struct Field {
  int number = 0;
  std::uint64_t value = 0;  // of an integer field
  std::string_view bytes;   // of any other field
};

std::optional<std::uint64_t> take_varint(std::string_view& rest) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// Removes and returns the next field of a message. None at the end, or if the message is invalid.
std::optional<Field> take_field(std::string_view& rest) {
  const auto key = take_varint(rest);
  if (!key) return std::nullopt;
  Field field{.number = static_cast<int>(*key >> 3)};
  std::uint64_t size = 0;
  switch (*key & 7) {
    case 0: {
      const auto value = take_varint(rest);
      if (!value) return std::nullopt;
      field.value = *value;
      return field;
    }
    case 1:
      size = 8;
      break;
    case 5:
      size = 4;
      break;
    case 2: {
      const auto length = take_varint(rest);
      if (!length) return std::nullopt;
      size = *length;
      break;
    }
    default:
      return std::nullopt;
  }
  if (size > rest.size()) return std::nullopt;
  field.bytes = rest.substr(0, size);
  rest.remove_prefix(size);
  return field;
}

// ---- Events -------------------------------------------------------------------------------------

bool is_of_rollouts(std::string_view summary) {
  while (const auto value = take_field(summary)) {
    if (value->number != kSummaryValue) continue;
    std::string_view rest = value->bytes;
    while (const auto field = take_field(rest)) {
      if (field->number == kValueTag && field->bytes.starts_with(kRolloutPrefix)) return true;
    }
  }
  return false;
}

// Returns whether a run that resumes after `step` will not write this event again. Events without a
// summary (version of the file, start of a session) are kept.
bool event_stays(std::string_view event, std::int64_t step, bool rolled_out) {
  std::int64_t own = 0;
  std::optional<std::string_view> summary;
  while (const auto field = take_field(event)) {
    if (field->number == kEventStep) own = static_cast<std::int64_t>(field->value);
    if (field->number == kEventSummary) summary = field->bytes;
  }
  if (!summary || own < step) return true;
  return own == step && (rolled_out || !is_of_rollouts(*summary));
}

// Returns the records that are kept. A record is length (uint64), CRC, data, CRC.
std::string cut(std::string_view records, std::int64_t step, bool rolled_out) {
  constexpr std::size_t kHead = 12, kTail = 4;
  std::string kept;
  while (records.size() >= kHead + kTail) {
    std::uint64_t length = 0;
    std::memcpy(&length, records.data(), sizeof(length));
    if (length > records.size() - kHead - kTail) break;  // incomplete
    const std::string_view record = records.substr(0, kHead + length + kTail);
    if (event_stays(record.substr(kHead, length), step, rolled_out)) kept += record;
    records.remove_prefix(record.size());
  }
  return kept;
}

}  // namespace

void cut_events_back(const fs::path& folder, std::int64_t step, bool rolled_out) {
  std::vector<fs::path> files;
  for (const auto& item : fs::directory_iterator(folder)) {
    const bool is_ours = item.path().filename().string().starts_with(kEventFilePrefix);
    if (is_ours && item.is_regular_file() && !item.is_symlink()) files.push_back(item.path());
  }
  for (const fs::path& file : files) {
    const std::string records = read_text(file);
    const std::string kept = cut(records, step, rolled_out);
    if (kept != records) write_text_atomically(file, kept);
  }
}

}  // namespace roboimi
