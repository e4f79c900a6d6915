// The subcommands: one source file each. Every one takes the words after its name and returns the
// exit status; main() turns exceptions into one line on stderr and a non-zero status.
#pragma once

#include <string>
#include <vector>

namespace roboimi::app {

using Arguments = std::vector<std::string>;

[[gnu::weak]] int run_command(const Arguments& arguments);
[[gnu::weak]] int eval_command(const Arguments& arguments);
[[gnu::weak]] int collect_command(const Arguments& arguments);
[[gnu::weak]] int encode_command(const Arguments& arguments);
[[gnu::weak]] int checkpoint_command(const Arguments& arguments);
[[gnu::weak]] int config_command(const Arguments& arguments);
[[gnu::weak]] int plugins_command(const Arguments& arguments);
[[gnu::weak]] int doctor_command(const Arguments& arguments);

}  // namespace roboimi::app
