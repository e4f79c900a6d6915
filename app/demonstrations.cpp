#include "app/demonstrations.h"

namespace roboimi::app {

std::optional<std::filesystem::path> other_data(
    const boost::program_options::variables_map& values) {
  if (values.count("data") == 0) return std::nullopt;
  return values["data"].as<std::string>();
}

}  // namespace roboimi::app
