#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "suite/slurm_commands.h"

namespace roboimi {
namespace {

TEST(SlurmAccounting, ReportsHowTasksEnded) {
  const auto ended = parse_accounting(
      "4711_0|COMPLETED|0:0|node0|2026-01-31T12:00:00\n"
      "4711_1|CANCELLED by 1000|0:0|None assigned|2026-01-31T12:00:01\n"
      "4711_2|OUT_OF_MEMORY|0:125|node[1-2]|2026-01-31T12:00:02\n"
      "4711_3|NODE_FAIL|1:0|node3|2026-01-31T12:00:03\n"
      "4711_4|RUNNING|0:0|node3|Unknown\n"
      "4711_[5-9]|PENDING|0:0|None assigned|Unknown\n"
      "4712_[2-4]|CANCELLED by 0|0:0|None assigned|2026-01-31T12:00:04\n"
      "4713|CANCELLED by 0|0:0|None assigned|2026-01-31T12:00:05\n"
      "torn");
  EXPECT_EQ(ended.size(), 6u);
  EXPECT_TRUE(ended.contains("4712") && ended.contains("4713"));
  EXPECT_TRUE(ended.at("4711_1").is_canceled());
  EXPECT_EQ(ended.at("4711_1").text, "Slurm: CANCELLED, exit code 0:0, at 2026-01-31T12:00:01");
  EXPECT_FALSE(ended.at("4711_2").is_canceled());
  EXPECT_FALSE(ended.at("4711_2").is_clusters());
  EXPECT_EQ(ended.at("4711_2").text,
            "Slurm: OUT_OF_MEMORY, exit code 0:125, on node[1-2], at 2026-01-31T12:00:02");
  EXPECT_TRUE(ended.at("4711_3").is_clusters());
}

}  // namespace
}  // namespace roboimi
