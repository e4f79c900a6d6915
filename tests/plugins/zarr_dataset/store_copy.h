// Copies of the datasets of tests/golden/zarr, and the errors of opening and reading them.
#pragma once

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "plugins/zarr_dataset/zarr_dataset.h"
#include "roboimi/common/files.h"
#include "tests/error_text.h"
#include "tests/plugins/zarr_dataset/zarr_values.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi::zarr_dataset {

// A copy of a golden folder that may be changed.
class Copy {
 public:
  explicit Copy(const std::string& name = "pusht.zarr") : path_(place_ / name) {
    std::filesystem::copy(golden(name), path_, std::filesystem::copy_options::recursive);
  }
  std::filesystem::path path() const { return path_; }
  std::filesystem::path operator/(const std::string& key) const { return path_ / key; }
  DatasetOptions options() const { return {.path = path_}; }

  void remove(const std::string& key) const { ASSERT_TRUE(std::filesystem::remove(path_ / key)); }
  void write(const std::string& key, const std::string& bytes) const {
    std::ofstream(path_ / key, std::ios::binary) << bytes;
  }
  // Replaces a part of a .zarray.
  void edit(const std::string& array, const std::string& from, const std::string& to) const {
    std::string text = read_text(path_ / array / ".zarray");
    const std::size_t found = text.find(from);
    ASSERT_NE(found, std::string::npos) << text;
    write(array + "/.zarray", text.replace(found, from.size(), to));
  }

 private:
  ScratchFolder place_;
  std::filesystem::path path_;
};

inline std::string opening_error(const DatasetOptions& options) {
  return error_text([&] { const ZarrDataset dataset(options); });
}

// The error of opening the dataset and reading everything.
inline std::string reading_error(const DatasetOptions& options) {
  return error_or_accepted([&] {
    const ZarrDataset dataset(options);
    for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
      dataset.actions(i);
      for (const std::string& stream : dataset.spec().names()) dataset.read_all(i, stream);
    }
  });
}

}  // namespace roboimi::zarr_dataset
