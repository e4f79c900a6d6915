// Reading of JSON and JSON Lines files as Python writes them.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace roboimi::lerobot_dataset {

using Json = nlohmann::ordered_json;  // keeps the order of the features

// The contents of a file. Python's NaN, Infinity and -Infinity become strings of that name. Throws
// Error if the file is missing, a Git LFS pointer or not JSON.
Json read_json(const std::filesystem::path& file);
// Calls `use` with the value of every line that is not empty, and its number from 1.
void read_json_lines(const std::filesystem::path& file,
                     const std::function<void(const Json& value, std::int64_t line)>& use);

// A value as it is written in the file, shortened, for error messages.
std::string shown(const Json& value);

}  // namespace roboimi::lerobot_dataset
