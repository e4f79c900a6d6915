#include "suite/suite_file.h"

#include <algorithm>
#include <set>

#include "roboimi/common/error.h"
#include "roboimi/config/declare.h"
#include "suite/target_options.h"

namespace roboimi {
namespace {

constexpr std::size_t kMostRuns = 1000;
constexpr std::size_t kLongestName = 100;

bool is_name_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._=+-").find(c) != std::string_view::npos;
}

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= kLongestName && text[0] != '.' && text[0] != '-' &&
         std::all_of(text.begin(), text.end(), is_name_letter);
}

void check_name(const std::string& text, const SourceLocation& where) {
  if (is_name(text)) return;
  throw Error({.what = "invalid name",
               .where = where.to_string(),
               .expected = "at most 100 letters, digits and . _ = + -, not starting with . or -",
               .found = "'" + text + "'"});
}

// The keys at the top level of a suite, without `runs` and `targets`.
struct SuiteOptions {
  std::string name;
  std::optional<std::string> config, target;
  std::vector<std::string> overrides;
  std::vector<std::int64_t> seeds;
};

void declare(OptionFields& fields, SuiteOptions& o) {
  fields.required_text("name", o.name, "name of the suite");
  fields.text("config", o.config, "config of the runs without their own");
  fields.texts("overrides", o.overrides, "overrides of every run, applied before its own");
  fields.integers("seeds", o.seeds, "each run is trained once per seed; empty: the config's seed")
      .range(0, 1e15);
  fields.text("target", o.target,
              "target of the runs without their own; optional if there is only one");
}

// The keys of an item of `runs`, without `grid`.
struct RowOptions {
  std::string name;
  std::optional<std::string> config, target;
  std::vector<std::string> overrides;
  std::vector<std::int64_t> seeds;
  std::optional<std::int64_t> gpu;
};

void declare(OptionFields& fields, RowOptions& o) {
  fields.required_text("name", o.name, "name of the run and of its folder");
  fields.text("config", o.config, "config, by path or name");
  fields.texts("overrides", o.overrides, "overrides, as for roboimi run");
  fields.integers("seeds", o.seeds, "replaces the suite's seeds").range(0, 1e15);
  fields.text("target", o.target, "name of the target on which it runs");
  fields.integer("gpu", o.gpu, "one of the target's gpus").at_least(0);
}

// A struct of options, and the places where they are written.
template <typename Struct>
struct Parsed {
  Options places;
  Struct values;
};

template <typename Struct>
Parsed<Struct> parse(const ConfigNode& node, const std::string& path = "") {
  Options options = parse_options(node, schema_of<Struct>(), path);
  auto values = options_from<Struct>(options);
  return {std::move(options), std::move(values)};
}

// Removes the section `key` from `node` and returns it. The schema checks the rest.
ConfigNode take(ConfigNode& node, const std::string& key) {
  const ConfigNode* found = node.find(key);
  const ConfigNode section = found == nullptr ? ConfigNode() : *found;
  if (found != nullptr) node.erase_path(key);
  return section;
}

// One point of a grid: its overrides, and the suffix of the run's name.
struct GridPoint {
  std::vector<std::string> overrides;
  std::string suffix;
};

// "n_layer_6" for agent.head.n_layer=6. Characters that are not allowed become "_".
std::string point_name(const std::string& key, std::string value) {
  std::replace_if(
      value.begin(), value.end(), [](char c) { return !is_name_letter(c); }, '_');
  return "_" + key.substr(key.find_last_of("./") + 1) + "_" + value;
}

std::vector<GridPoint> expand_grid(const ConfigNode& grid) {
  std::vector<GridPoint> points(1);
  if (grid.is_null()) return points;
  const std::string expected = "a map of KEY: [A, B, ...]";
  if (!grid.is_map()) {
    throw Error(
        {.what = "invalid grid", .where = grid.location().to_string(), .expected = expected});
  }
  for (const auto& [key, values] : grid.entries()) {
    if (!values.is_sequence() || values.items().empty()) {
      throw Error({.what = "no values for '" + key + "'",
                   .where = values.location().to_string(),
                   .expected = expected});
    }
    std::vector<GridPoint> longer;
    for (const GridPoint& point : points) {
      for (const ConfigNode& value : values.items()) {
        std::string text = value.to_yaml();
        text.erase(text.find_last_not_of('\n') + 1);
        longer.push_back(point);
        longer.back().overrides.push_back(key + "=" + text);
        longer.back().suffix += point_name(key, value.is_scalar() ? value.text() : text);
      }
    }
    points = std::move(longer);
    if (points.size() > kMostRuns) {
      throw Error({.what = "the grid is too large",
                   .where = grid.location().to_string(),
                   .expected = "at most " + std::to_string(kMostRuns) + " runs"});
    }
  }
  return points;
}

class Reader {
 public:
  Reader(const ConfigNode& root, SuiteFile& suite) : suite_(suite) {
    ConfigNode own = root;
    const ConfigNode runs = take(own, "runs"), targets = take(own, "targets");
    defaults_ = parse<SuiteOptions>(own);
    suite_.name = defaults_.values.name;
    check_name(suite_.name, defaults_.places.location("name"));
    read_targets(targets);
    read_runs(runs);
  }

 private:
  void read_targets(const ConfigNode& targets) {
    if (!targets.is_map() || targets.entries().empty()) {
      throw Error({.what = "no targets",
                   .where = place_of(targets),
                   .expected = "targets: {NAME: {kind: local}}, at least one"});
    }
    for (const auto& [name, node] : targets.entries()) {
      check_name(name, node.location());
      suite_.targets[name] = parse_target(name, node);
    }
  }

  void read_runs(const ConfigNode& runs) {
    if (!runs.is_sequence() || runs.items().empty()) {
      throw Error({.what = "no runs",
                   .where = place_of(runs),
                   .expected = "runs: [{name: NAME, overrides: [...]}, ...], at least one"});
    }
    std::size_t rounds = 1;
    for (std::size_t round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < runs.items().size(); ++i) {
        rounds = std::max(rounds, add_runs(runs.items()[i], "runs." + std::to_string(i), round));
      }
    }
  }

  // Adds the run's grid points with its seed at index `round`, if there is one. Returns the
  // number of its seeds.
  std::size_t add_runs(ConfigNode node, const std::string& path, std::size_t round) {
    const ConfigNode grid = take(node, "grid");
    const auto row = parse<RowOptions>(node, path);
    const auto& seeds = row.values.seeds.empty() ? defaults_.values.seeds : row.values.seeds;
    if (round >= std::max<std::size_t>(1, seeds.size())) return seeds.size();
    for (const GridPoint& point : expand_grid(grid)) {
      SuiteRun run = base_run(row);
      run.group += point.suffix;
      run.overrides.insert(run.overrides.end(), point.overrides.begin(), point.overrides.end());
      run.name = run.group;
      if (!seeds.empty()) {
        run.seed = seeds[round];
        run.name += "_seed" + std::to_string(*run.seed);
      }
      add(std::move(run), row.places.location("name"));
    }
    return seeds.size();
  }

  SuiteRun base_run(const Parsed<RowOptions>& row) const {
    SuiteRun run;
    run.group = row.values.name;
    const auto& config = row.values.config ? row.values.config : defaults_.values.config;
    if (!config) {
      row.places.fail("name", "the run has no config",
                      "config: FILE, in the run or at the top level of the suite");
    }
    run.config = *config;
    run.overrides = defaults_.values.overrides;
    run.overrides.insert(run.overrides.end(), row.values.overrides.begin(),
                         row.values.overrides.end());
    run.target = target_of(row);
    run.gpu = row.values.gpu;
    if (run.gpu) check_gpu(row, suite_.targets.at(run.target));
    return run;
  }

  std::string target_of(const Parsed<RowOptions>& row) const {
    const bool is_own = row.values.target.has_value();
    const auto& target = is_own ? row.values.target : defaults_.values.target;
    if (!target) {
      if (suite_.targets.size() == 1) return suite_.targets.begin()->first;
      row.places.fail("name", "the run has no target", "target: one of " + target_names());
    }
    if (!suite_.targets.contains(*target)) {
      (is_own ? row.places : defaults_.places)
          .fail("target", "unknown target", "one of " + target_names());
    }
    return *target;
  }

  std::string target_names() const {
    std::string names;
    for (const auto& [name, target] : suite_.targets) names += (names.empty() ? "" : ", ") + name;
    return names;
  }

  static void check_gpu(const Parsed<RowOptions>& row, const TargetSpec& target) {
    if (std::ranges::find(target.gpus, *row.values.gpu) != target.gpus.end()) return;
    row.places.fail("gpu", "the target has no such GPU", "one of targets." + target.name + ".gpus");
  }

  void add(SuiteRun run, const SourceLocation& where) {
    check_name(run.name, where);
    if (!names_.insert(run.name).second) {
      throw Error({.what = "two runs have the same name",
                   .where = where.to_string(),
                   .found = "'" + run.name + "' twice",
                   .next = "give each run a different name"});
    }
    if (names_.size() > kMostRuns) {
      throw Error({.what = "the suite is too large",
                   .where = where.to_string(),
                   .expected = "at most " + std::to_string(kMostRuns) + " runs"});
    }
    suite_.runs.push_back(std::move(run));
  }

  std::string place_of(const ConfigNode& node) const {
    return node.is_null() ? suite_.file.string() : node.location().to_string();
  }

  SuiteFile& suite_;
  Parsed<SuiteOptions> defaults_;
  std::set<std::string> names_;
};

}  // namespace

const char* to_string(TargetKind kind) {
  switch (kind) {
    case TargetKind::kLocal:
      return "local";
    case TargetKind::kSsh:
      return "ssh";
    case TargetKind::kSlurm:
      return "slurm";
  }
  return "unknown";
}

SuiteFile read_suite_file(const std::filesystem::path& file) {
  SuiteFile suite;
  suite.file = std::filesystem::absolute(file);
  Reader(load_yaml(file.string()), suite);
  return suite;
}

}  // namespace roboimi
