// The subcommands of `roboimi suite`.
#pragma once

#include <string>
#include <vector>

#include "app/common_options.h"

namespace roboimi::app {

struct SuiteArguments {
  std::string suite;               // as given
  std::vector<std::string> names;  // the words after the suite
  boost::program_options::variables_map values;
  Arguments command;
};

int suite_launch(const SuiteArguments& arguments);
int suite_status(const SuiteArguments& arguments);
int suite_stop(const SuiteArguments& arguments);
int suite_resume(const SuiteArguments& arguments);
int suite_fetch(const SuiteArguments& arguments);
int suite_report_page(const SuiteArguments& arguments);
// `suite` is the action and `names` its arguments; see suite_work.cpp.
int suite_work(const SuiteArguments& arguments);

}  // namespace roboimi::app
