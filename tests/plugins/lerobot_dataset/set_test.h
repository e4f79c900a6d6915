// What the tests of the reader share: a folder for each test, and checks against LerobotSet.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/error_text.h"
#include "tests/plugins/lerobot_dataset/lerobot_set.h"
#include "tests/reference/run_reference.h"

namespace roboimi::lerobot_dataset {

class SetTest : public ::testing::Test {
 protected:
  std::filesystem::path folder() const { return scratch_.path() / "set"; }

  std::string opening_error(const DatasetOptions& options = {}) const {
    return error_text([&] { open_set(folder(), options); });
  }

  // The only warning of a dataset, or "" if it has none.
  static std::string only_warning(const LerobotDataset& dataset) {
    const std::vector<std::string>& warnings = dataset.findings().warnings();
    EXPECT_LE(warnings.size(), 1U) << warnings[1];
    return warnings.empty() ? "" : warnings.front();
  }

  // Every row of every episode, as LerobotSet made them. `numbers`: of the episodes.
  static void expect_complete(const LerobotDataset& dataset,
                              const std::vector<std::int64_t>& numbers = {0, 1, 2}) {
    ASSERT_EQ(dataset.num_episodes(), std::ssize(numbers));
    for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
      const std::int64_t number = numbers[static_cast<std::size_t>(i)];
      const std::int64_t length = dataset.episode(i).length;
      EXPECT_EQ(dataset.number(i), number);
      EXPECT_TRUE(at::equal(dataset.state(i), LerobotSet::states(number, length)));
      EXPECT_TRUE(at::equal(dataset.actions(i), LerobotSet::actions(number, length)));
      for (std::int64_t camera = 0; camera < 2; ++camera) {
        const std::string name = dataset.spec().camera_names()[static_cast<std::size_t>(camera)];
        EXPECT_EQ(LerobotSet::labels_of(dataset.read_all(i, name)),
                  LerobotSet::labels(camera, number, length))
            << "episode " << number << ", camera " << name;
      }
    }
  }

  ReferenceFolder scratch_{"lerobot"};
};

}  // namespace roboimi::lerobot_dataset
