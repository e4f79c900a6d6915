// The subcommands of `roboimi suite`.
#pragma once

#include <string>
#include <vector>

#include "app/common_options.h"

namespace roboimi::app {

struct SuiteArguments {
  std::string suite;               // as given
  std::vector<std::string> names;  // what follows it
  boost::program_options::variables_map values;
  Arguments command;
};

int suite_launch(const SuiteArguments& arguments);
int suite_status(const SuiteArguments& arguments);
int suite_stop(const SuiteArguments& arguments);
int suite_resume(const SuiteArguments& arguments);
int suite_fetch(const SuiteArguments& arguments);
int suite_report_page(const SuiteArguments& arguments);
// WORK NAME...: `names` starts after what is to be done; see suite_work.cpp.
int suite_work(const SuiteArguments& arguments);

}  // namespace roboimi::app
