// The command `roboimi data`, which shows, converts and plays datasets.
#include "app/data_command.h"

#include <iostream>
#include <string>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/config/did_you_mean.h"

namespace roboimi::app {
namespace {

struct DataAction {
  const char* name;
  int (*function)(const Arguments&);
};

constexpr DataAction kDataActions[] = {
    {"info", data_info}, {"stats", data_stats}, {"convert", data_convert}, {"play", data_play}};

constexpr const char* kDataUsage = R"(usage: roboimi data ACTION PATH [data.KEY=VALUE ...] [options]

  info       what a dataset contains, and what is odd about it
  stats      ranges, means and percentiles of states and actions
  convert    write it in another format: selected episodes, cameras and sizes, several datasets
  play       a video and a page of one episode

PATH is a folder or a file: LeRobot, ACT's HDF5, robomimic's HDF5, diffusion_policy's zarr. Another
format is read by its plugin: --type NAME. data.KEY=VALUE sets an option of the component that reads
the data (roboimi plugins inspect NAME).

example: roboimi data info data/sim_transfer
         roboimi data ACTION --help
)";

}  // namespace

int data_command(const Arguments& words) {
  const std::string name = words.empty() ? "--help" : words.front();
  if (name == "--help" || name == "-h") {
    std::cout << kDataUsage;
    return words.empty() ? EXIT_FAILURE : EXIT_SUCCESS;
  }
  std::vector<std::string> names;
  for (const DataAction& action : kDataActions) {
    if (name == action.name) return action.function({words.begin() + 1, words.end()});
    names.emplace_back(action.name);
  }
  throw Error({.what = "unknown action '" + printable(name) + "'",
               .expected = "info, stats, convert or play",
               .next = did_you_mean(name, names, "see roboimi data --help")});
}

}  // namespace roboimi::app
