#include "plugins/hdf5_dataset/stream_labels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "roboimi/common/text.h"

namespace roboimi::hdf5_dataset {
namespace {

constexpr std::size_t kShownLength = 200;  // of a value in a log line

// Keeps `found` unless another episode has another value. Then neither is used.
template <typename Value>
void merge(Value& known, bool& differs, const Value& found, Attribute<Value>& attribute,
           const std::string& shown) {
  if (known.empty()) known = found;
  if (known == found) return;
  differs = true;
  attribute = {.value = {}, .unparsed = shown + ", unlike other episodes,"};
}

}  // namespace

void StreamLabels::add(const Hdf5File& file, const std::string& table, const StreamSpec& stream,
                       ReadingNotes& notes) {
  if (stream.kind != StreamKind::kVector) return;
  Labels& labels = labels_[stream.name];

  auto names = file.texts_attribute(kNames, table);
  if (names.value) {
    const std::vector<std::string> found = *names.value;
    const std::string shown = printable(fmt::format("[{}]", fmt::join(found, ", ")), kShownLength);
    const bool fits =
        std::ssize(found) == stream.shape.at(0) && std::ranges::all_of(found, is_utf8);
    if (!fits) {
      names = {
          .value = {},
          .unparsed = fmt::format("{}, expected {} strings in UTF-8,", shown, stream.shape[0])};
    } else {
      merge(labels.names, labels.has_other_names, found, names, shown);
    }
  }
  notes.value_of(file, fmt::format("{} of {}", kNames, table), std::move(names));

  auto unit = file.text_attribute(kUnit, table);
  if (unit.value) {
    const std::string found = *unit.value, shown = "'" + printable(found, kShownLength) + "'";
    if (!is_utf8(found)) {
      unit = {.value = {}, .unparsed = shown + ", expected UTF-8,"};
    } else {
      merge(labels.unit, labels.has_other_units, found, unit, shown);
    }
  }
  notes.value_of(file, fmt::format("{} of {}", kUnit, table), std::move(unit));
}

void StreamLabels::apply(ObservationSpec& spec) const {
  for (StreamSpec& stream : spec.streams) {
    const auto found = labels_.find(stream.name);
    if (found == labels_.end() || stream.kind != StreamKind::kVector) continue;
    const Labels& labels = found->second;
    if (!labels.has_other_names) stream.element_names = labels.names;
    if (!labels.has_other_units) stream.unit = labels.unit;
  }
}

}  // namespace roboimi::hdf5_dataset
