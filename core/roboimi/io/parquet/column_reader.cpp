#include "roboimi/io/parquet/column_reader.h"

#include <array>
#include <optional>

#include "roboimi/io/parquet/page_reader.h"
#include "roboimi/io/parquet/page_values.h"

namespace roboimi::parquet {
namespace {

constexpr std::size_t kBatch = 1024;  // entries that are decoded at a time

// Decodes the pages of one chunk.
template <typename T>
class ChunkReader {
 public:
  ChunkReader(const Leaf& leaf, const ChunkRows& rows, std::int64_t entries, Budget& budget,
              Values& out)
      : leaf_(leaf),
        rows_(rows),
        entries_(static_cast<double>(entries)),
        budget_(budget),
        out_(out),
        values_(std::get<std::vector<T>>(out.values)) {}

  // `bytes`: size of the chunk in the file.
  void read(PageReader& pages, std::int64_t bytes, std::int64_t& page) {
    reserve(bytes);
    while (!is_done() && pages.next()) {
      page = pages.index();
      if (pages.is_dictionary()) {
        read_dictionary(pages.contents());
      } else if (!pass_over(pages.header())) {
        read_page(pages.contents(), pages.header());
      }
    }
    page = -1;
    // The end of the chunk ends its last list.
    if (!is_done() && !(has_lists() && started_ == rows_.in_chunk)) {
      fail("the pages of the column end too early", std::to_string(rows_.in_chunk) + " rows",
           std::to_string(started_));
    }
  }

 private:
  // A batch of entries in requested rows.
  struct Batch {
    const std::uint8_t* repetition;
    const std::uint8_t* definition;
    std::size_t count;
  };

  bool has_lists() const { return !leaf_.list_definitions.empty(); }
  // A list ends where the next row starts, or with the chunk.
  bool is_done() const {
    return rows_.first == rows_.end || (has_lists() ? is_past_end_ : started_ >= rows_.end);
  }

  void reserve(std::int64_t bytes);
  void read_dictionary(const Page& page);
  bool pass_over(const PageHeader& header);
  void read_page(const Page& page, const PageHeader& header);
  std::pair<std::size_t, std::size_t> asked(const std::uint8_t* repetition, std::size_t count);
  void check_levels(const Batch& batch);
  std::size_t count_values(const Batch& batch) const;
  void append(const Batch& batch, ValueReader<T>& values);
  std::size_t append_lists(const Batch& batch);
  std::size_t append_entry(std::size_t repetition, std::uint8_t definition, std::size_t leaves);

  const Leaf& leaf_;
  ChunkRows rows_;
  double entries_;  // of the chunk, as the footer states
  Budget& budget_;
  Values& out_;
  std::vector<T>& values_;
  std::optional<std::vector<T>> dictionary_;
  std::int64_t started_ = 0;  // rows of the chunk with an entry that was read
  std::uint8_t previous_definition_ = 0;
  bool is_past_end_ = false;  // an entry of row rows_.end was read
  std::array<std::uint8_t, kBatch> repetition_{};
  std::array<std::uint8_t, kBatch> definition_{};
  std::array<std::uint8_t, kBatch> is_null_{};  // of the batch's leaves
};

// Reserves memory for the requested rows, but not more than the file's size makes plausible.
template <typename T>
void ChunkReader<T>::reserve(std::int64_t bytes) {
  constexpr std::int64_t kUsualRatio = 16;
  const auto grow = [&]<typename Item>(std::vector<Item>& items, double count) {
    const double plausible = static_cast<double>(kUsualRatio * bytes) / sizeof(Item);
    const auto needed = items.size() + static_cast<std::size_t>(std::min(count, plausible));
    // At least doubled, so that many small row groups do not copy the values each time.
    if (needed > items.capacity()) items.reserve(std::max(needed, 2 * items.size()));
  };
  const auto rows = static_cast<double>(rows_.end - rows_.first);
  if (has_lists()) grow(out_.offsets[0], rows + 1);
  grow(values_, has_lists() ? entries_ * rows / static_cast<double>(rows_.in_chunk) : rows);
}

template <typename T>
void ChunkReader<T>::read_dictionary(const Page& page) {
  if (dictionary_) fail("the column has two dictionary pages");
  dictionary_.emplace();
  dictionary_->reserve(std::min(page.num_values, page.values.size() / sizeof(T)));
  const auto plain = dictionary_values_of<T>(page, leaf_);
  Budget budget = budget_;  // freed after the call
  for (std::size_t left = page.num_values; left > 0;) {
    const std::size_t now = std::min(left, kBatch);
    budget.use(now, sizeof(T));
    dictionary_->resize(dictionary_->size() + now);
    plain->read(dictionary_->data() + dictionary_->size() - now, now, budget);
    left -= now;
  }
}

// Skips a page that ends before the first requested row. Only possible if its header states its
// rows.
template <typename T>
bool ChunkReader<T>::pass_over(const PageHeader& header) {
  const bool is_v2 = header.type == kDataPageV2;
  if (has_lists() && (!is_v2 || header.num_rows < 0)) return false;
  const std::int64_t rows = has_lists() ? header.num_rows : header.num_values;
  if (started_ + rows > rows_.in_chunk) {
    fail("the pages have more rows than the row group", std::to_string(rows_.in_chunk) + " rows",
         std::to_string(started_ + rows));
  }
  if (started_ + rows > rows_.first) return false;
  started_ += rows;
  return true;
}

template <typename T>
void ChunkReader<T>::read_page(const Page& page, const PageHeader& header) {
  const std::int64_t before = started_;
  HybridReader repetition(page.repetition, bit_width_of(leaf_.list_definitions.size()),
                          "repetition levels");
  HybridReader definition(page.definition,
                          bit_width_of(static_cast<std::uint64_t>(leaf_.max_definition)),
                          "definition levels");
  const auto values = values_of<T>(page, leaf_, dictionary_ ? &*dictionary_ : nullptr);
  for (std::size_t left = page.num_values; left > 0 && !is_done();) {
    const std::size_t count = std::min(left, kBatch);
    left -= count;
    if (has_lists()) repetition.read(repetition_.data(), count);
    if (leaf_.max_definition > 0) definition.read(definition_.data(), count);
    if (leaf_.max_definition > 0) check_levels({repetition_.data(), definition_.data(), count});
    const auto [begin, end] = asked(repetition_.data(), count);
    budget_.use(begin, 1);  // limits the time, too
    values->skip(count_values({repetition_.data(), definition_.data(), begin}));
    append({repetition_.data() + begin, definition_.data() + begin, end - begin}, *values);
  }
  // pass_over() relies on this number.
  const std::int64_t rows = started_ - before;
  if (header.type == kDataPageV2 && header.num_rows >= 0 && header.num_rows != rows && !is_done()) {
    fail("the page's number of rows differs from that in its header",
         std::to_string(header.num_rows), std::to_string(rows));
  }
}

template <typename T>
void ChunkReader<T>::check_levels(const Batch& batch) {
  // Their ranges.
  std::uint8_t repetition = 0;
  std::uint8_t definition = 0;
  for (std::size_t i = 0; i < batch.count; ++i) {
    repetition = std::max(repetition, batch.repetition[i]);
    definition = std::max(definition, batch.definition[i]);
  }
  if (repetition > leaf_.list_definitions.size()) fail("a repetition level is out of range");
  if (definition > leaf_.max_definition) fail("a definition level is out of range");
  if (!has_lists()) return;
  if (started_ == 0 && batch.count > 0 && batch.repetition[0] != 0) {
    fail("the first entry of the column continues a list");
  }
  // An entry that continues a list is an element of it, and so is the previous entry.
  const std::uint8_t* element = leaf_.list_definitions.data();
  std::uint8_t previous = previous_definition_;
  bool has_elements = true;
  for (std::size_t i = 0; i < batch.count; ++i) {
    const std::uint8_t continued = batch.repetition[i];
    const std::uint8_t smaller = std::min(previous, batch.definition[i]);
    if (continued > 0) has_elements &= smaller >= element[continued - 1];
    previous = batch.definition[i];
  }
  previous_definition_ = previous;
  if (!has_elements) fail("an entry continues a list without elements");
}

// The part [begin, end) of the next entries that belongs to requested rows. Counts their rows.
template <typename T>
std::pair<std::size_t, std::size_t> ChunkReader<T>::asked(const std::uint8_t* repetition,
                                                          std::size_t count) {
  if (!has_lists()) {
    const auto inside = [&](std::int64_t row) {
      return static_cast<std::size_t>(
          std::clamp<std::int64_t>(row - started_, 0, static_cast<std::int64_t>(count)));
    };
    const std::pair range(inside(rows_.first), inside(rows_.end));
    started_ += static_cast<std::int64_t>(count);
    return range;
  }
  // Usually, all entries are requested.
  const auto rows = std::count(repetition, repetition + count, 0);
  if (started_ + rows > rows_.in_chunk) {
    fail("the pages have more rows than the row group", std::to_string(rows_.in_chunk) + " rows");
  }
  if (started_ > rows_.first && started_ + rows <= rows_.end) {
    started_ += rows;
    return {0, count};
  }
  std::size_t begin = count;
  for (std::size_t i = 0; i < count; ++i) {
    if (repetition[i] == 0) ++started_;
    if (started_ > rows_.first) begin = std::min(begin, i);
    if (started_ > rows_.end) {
      is_past_end_ = true;
      return {begin, i};
    }
  }
  return {begin, count};
}

template <typename T>
std::size_t ChunkReader<T>::count_values(const Batch& batch) const {
  if (leaf_.max_definition == 0) return batch.count;
  return static_cast<std::size_t>(std::count(batch.definition, batch.definition + batch.count,
                                             static_cast<std::uint8_t>(leaf_.max_definition)));
}

template <typename T>
void ChunkReader<T>::append(const Batch& batch, ValueReader<T>& values) {
  // The structure.
  std::size_t leaves = batch.count;
  if (has_lists()) {
    leaves = append_lists(batch);
  } else if (leaf_.max_definition > 0) {
    for (std::size_t i = 0; i < leaves; ++i) {
      is_null_[i] = batch.definition[i] != leaf_.max_definition;
    }
  }
  // The values, without space for nulls.
  const std::size_t present = count_values(batch);
  const std::size_t before = values_.size();
  budget_.use(leaves, sizeof(T) + 1);
  values_.resize(before + leaves);
  T* out = values_.data() + before;
  values.read(out, present, budget_);
  // Move them to their places among the nulls, last one first.
  if (present < leaves) {
    if (out_.is_null.empty()) out_.is_null.assign(before, 0);
    for (std::size_t to = leaves, from = present; to-- > 0;) {
      if (is_null_[to] != 0) {
        out[to] = T{};
      } else if (--from != to) {
        out[to] = std::move(out[from]);
      }
    }
  }
  if (present == leaves && out_.is_null.empty()) return;
  const bool has_flags = leaf_.max_definition > 0;
  out_.is_null.resize(before + leaves, 0);
  if (has_flags) std::copy_n(is_null_.data(), leaves, out_.is_null.data() + before);
}

// Appends the offsets and null rows of the entries, and fills is_null_. Returns the number of
// leaves.
template <typename T>
std::size_t ChunkReader<T>::append_lists(const Batch& batch) {
  budget_.use(batch.count, sizeof(std::int64_t) * leaf_.list_definitions.size());
  std::size_t leaves = 0;
  if (leaf_.list_definitions.size() > 1) {
    for (std::size_t i = 0; i < batch.count; ++i) {
      leaves += append_entry(batch.repetition[i], batch.definition[i], leaves);
    }
    return leaves;
  }
  // The same, faster, for lists of values.
  const std::uint8_t element = leaf_.list_definitions[0];
  const auto before = static_cast<std::int64_t>(values_.size());
  for (std::size_t i = 0; i < batch.count; ++i) {
    const std::uint8_t definition = batch.definition[i];
    if (batch.repetition[i] == 0) {
      if (definition + 1 < element) {
        out_.null_rows.push_back(static_cast<std::int64_t>(out_.offsets[0].size()));
      }
      out_.offsets[0].push_back(before + static_cast<std::int64_t>(leaves));
    }
    is_null_[leaves] = definition != leaf_.max_definition;
    leaves += definition >= element;
  }
  return leaves;
}

// Returns whether the entry has a leaf; `leaves` is the number of leaves of the batch before it.
template <typename T>
std::size_t ChunkReader<T>::append_entry(std::size_t repetition, std::uint8_t definition,
                                         std::size_t leaves) {
  const std::vector<std::uint8_t>& element = leaf_.list_definitions;
  if (repetition == 0 && definition + 1 < element[0]) {
    out_.null_rows.push_back(static_cast<std::int64_t>(out_.offsets[0].size()));
  }
  // Start a list at each level below the one that the entry continues.
  for (std::size_t level = repetition; level < element.size(); ++level) {
    const std::size_t next =
        level + 1 < element.size() ? out_.offsets[level + 1].size() : values_.size() + leaves;
    out_.offsets[level].push_back(static_cast<std::int64_t>(next));
    if (definition < element[level]) return 0;
  }
  is_null_[leaves] = definition != leaf_.max_definition;
  return 1;
}

}  // namespace

Values empty_values(const Column& column) {
  Values values;
  switch (column.type) {
    case Type::kBoolean:
      values.values = std::vector<std::uint8_t>();
      break;
    case Type::kInt32:
      values.values = std::vector<std::int32_t>();
      break;
    case Type::kInt64:
      values.values = std::vector<std::int64_t>();
      break;
    case Type::kFloat:
      values.values = std::vector<float>();
      break;
    case Type::kDouble:
      values.values = std::vector<double>();
      break;
    case Type::kByteArray:
      values.values = std::vector<std::string>();
      break;
    case Type::kUnsupported:
      fail("the type is not supported",
           "BOOLEAN, INT32, INT64, FLOAT, DOUBLE, BYTE_ARRAY, FIXED_LEN_BYTE_ARRAY or FLOAT16",
           column.type_name, "write the column again as one of them, or leave it out");
  }
  values.offsets.resize(static_cast<std::size_t>(column.list_depth));
  return values;
}

void append_rows(Bytes file, const ColumnChunk& chunk, const Leaf& leaf, const ChunkRows& rows,
                 Budget& budget, Values& out, std::int64_t& page) {
  if (chunk.is_encrypted) fail("the column is encrypted", "", "", "write the file again without");
  if (chunk.is_in_another_file) {
    fail("the data of the column is in another file", "", "", "write the table to one file");
  }
  if (chunk.type != leaf.physical_type) {
    fail("the type of the column differs from that in the schema", leaf.column.type_name,
         "type number " + std::to_string(chunk.type));
  }
  PageReader pages(file, chunk, leaf, budget.limit());
  std::visit(
      [&]<typename T>(std::vector<T>& /*values*/) {
        ChunkReader<T>(leaf, rows, chunk.num_values, budget, out)
            .read(pages, chunk.compressed_size, page);
      },
      out.values);
}

void finish_offsets(Values& values) {
  const std::size_t leaves =
      std::visit([](const auto& items) { return items.size(); }, values.values);
  for (std::size_t i = 0; i < values.offsets.size(); ++i) {
    const std::size_t next = i + 1 < values.offsets.size() ? values.offsets[i + 1].size() : leaves;
    values.offsets[i].push_back(static_cast<std::int64_t>(next));
  }
}

}  // namespace roboimi::parquet
