// The subcommands of `roboimi`, one source file each. Each takes the words after its name and
// returns the exit status. main() turns exceptions into one line on stderr and a nonzero status.
#pragma once

#include <string>
#include <vector>

namespace roboimi::app {

using Arguments = std::vector<std::string>;

int run_command(const Arguments& arguments);
int eval_command(const Arguments& arguments);
int collect_command(const Arguments& arguments);
int data_command(const Arguments& arguments);
int encode_command(const Arguments& arguments);
int checkpoint_command(const Arguments& arguments);
int config_command(const Arguments& arguments);
int plugins_command(const Arguments& arguments);
int suite_command(const Arguments& arguments);
int cache_command(const Arguments& arguments);
int doctor_command(const Arguments& arguments);

}  // namespace roboimi::app
