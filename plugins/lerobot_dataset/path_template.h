// A path with fields in braces, as in info.json:
//
//   PathTemplate data("data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet");
//   data.format({.numbers = {{"chunk_index", 0}, {"file_index", 12}}});  // ".../file-012.parquet"
//   data.match("data/chunk-000/file-012.parquet")->numbers.at("file_index");  // 12
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace roboimi::lerobot_dataset {

struct PathFields {
  std::map<std::string, std::int64_t> numbers = {};
  std::string video_key = {};
};

class PathTemplate {
 public:
  PathTemplate() = default;
  // Throws Error if a brace is not closed, a field is not one of LeRobot's, or the path leaves its
  // folder.
  explicit PathTemplate(const std::string& text);

  const std::string& text() const { return text_; }
  // The path for these values. Throws Error for a field without a value.
  std::string format(const PathFields& fields) const;
  // The values in a path of this form.
  std::optional<PathFields> match(std::string_view path) const;
  // The folder before the first field: "data".
  std::string first_folder() const;

 private:
  struct Part {
    std::string text;  // as written, or the name of a field
    bool is_field = false;
    int width = 0;  // fewest digits
  };
  bool match_from(std::size_t part, std::string_view rest, PathFields& fields) const;

  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace roboimi::lerobot_dataset
