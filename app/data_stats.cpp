// `roboimi data stats`: statistics of the vector streams and actions of a dataset.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/data_command.h"
#include "app/data_findings.h"
#include "app/data_source.h"
#include "roboimi/common/json_text.h"
#include "roboimi/contract/normalizer.h"
#include "roboimi/data/checked_reads.h"
#include "roboimi/data/statistics.h"

namespace roboimi::app {
namespace {

namespace po = boost::program_options;

constexpr const char* kStatsForm = "roboimi data stats PATH [data.KEY=VALUE ...]";
constexpr const char* kStatsUsage = R"(usage: roboimi data stats PATH [data.KEY=VALUE ...] [options]

Prints the minimum, maximum, mean, standard deviation and the 1st and 99th percentile of every
dimension of states, other vectors and actions, over all rows. A value that is not finite is an
error (roboimi data info lists all of them).

)";
constexpr const char* kStatsExample = R"(
example: roboimi data stats data/sim_transfer
)";

struct NamedStatistics {
  std::string name;
  std::vector<std::string> element_names;
  Statistics values;
};

std::vector<NamedStatistics> statistics_of_data(const Dataset& dataset) {
  check_finite(dataset);
  const ObservationSpec& spec = dataset.spec();
  std::vector<NamedStatistics> all;
  const auto add = [&](const std::string& name, const std::vector<std::string>& element_names,
                       const auto& read) {
    std::vector<at::Tensor> rows;
    for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) rows.push_back(read(i));
    all.push_back({name, element_names, Statistics::of(at::cat(rows), /*with_percentiles=*/true)});
  };
  for (const StreamSpec& stream : spec.streams) {
    if (stream.kind != StreamKind::kVector) continue;
    add(stream.name, stream.element_names,
        [&](std::int64_t i) { return read_stream(dataset, i, stream.name); });
  }
  const StreamSpec* state = spec.find(kState);
  const bool follows_state = state != nullptr && state->shape[0] == spec.action_dim;
  add("action", follows_state ? state->element_names : std::vector<std::string>(),
      [&](std::int64_t i) { return read_actions(dataset, i); });
  return all;
}

std::vector<double> numbers_of(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kDouble).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

void print_statistics(const std::vector<NamedStatistics>& all) {
  std::cout << fmt::format("{:<32}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}\n", "", "min", "max", "mean",
                           "std", "q01", "q99");
  for (const NamedStatistics& one : all) {
    const Statistics& s = one.values;
    for (std::int64_t d = 0; d < s.min.size(0); ++d) {
      std::cout << fmt::format("{:<32}", element_label(one.name, d, one.element_names));
      for (const at::Tensor& tensor : {s.min, s.max, s.mean, s.std, s.q01, s.q99}) {
        std::cout << fmt::format("{:>12.5g}", tensor[d].item<double>());
      }
      std::cout << "\n";
    }
  }
}

nlohmann::ordered_json statistics_json(const std::vector<NamedStatistics>& all) {
  nlohmann::ordered_json json;
  for (const NamedStatistics& one : all) {
    const Statistics& s = one.values;
    json[one.name] = {{"element_names", one.element_names},
                      {"min", numbers_of(s.min)},
                      {"max", numbers_of(s.max)},
                      {"mean", numbers_of(s.mean)},
                      {"std", numbers_of(s.std)},
                      {"q01", numbers_of(s.q01)},
                      {"q99", numbers_of(s.q99)}};
  }
  return json;
}

}  // namespace

int data_stats(const Arguments& words) {
  po::options_description options("options");
  add_data_options(options);
  ParsedArguments parsed = parse_arguments(words, options);
  if (parsed.values.count("help") != 0) {
    std::cout << kStatsUsage << options << kStatsExample;
    return EXIT_SUCCESS;
  }
  const std::string path = take_paths(parsed.words, 1, 1, kStatsForm).front();
  const DataSource source = open_data(path, parsed.values, parsed.words);
  const std::vector<NamedStatistics> all = statistics_of_data(*source.dataset);
  if (parsed.values["json"].as<bool>()) {
    std::cout << json_text(statistics_json(all)) << "\n";
  } else {
    print_statistics(all);
  }
  return EXIT_SUCCESS;
}

}  // namespace roboimi::app
