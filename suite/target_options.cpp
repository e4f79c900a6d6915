#include "suite/target_options.h"

#include "roboimi/common/error.h"
#include "roboimi/config/declare.h"

namespace roboimi {
namespace {

constexpr TargetKind kKinds[] = {TargetKind::kLocal, TargetKind::kSsh, TargetKind::kSlurm};

TargetKind kind_of(const std::string& name, const ConfigNode& node) {
  const ConfigNode* kind = node.find("kind");
  std::string known;
  for (const TargetKind candidate : kKinds) {
    if (kind != nullptr && kind->is_scalar() && kind->text() == to_string(candidate)) {
      return candidate;
    }
    known += (known.empty() ? "" : ", ") + std::string(to_string(candidate));
  }
  throw Error({.what = "unknown kind of target '" + name + "'",
               .where = (kind == nullptr ? node : *kind).location().to_string(),
               .expected = "kind: one of " + known,
               .found = kind == nullptr     ? "no kind"
                        : kind->is_scalar() ? "'" + kind->text() + "'"
                                            : "not a string"});
}

void check_ssh(const Options& options) {
  const std::string& host = options.text("host");
  // rsync reads the part before a colon as the host, unless it has a slash.
  const bool is_other = host.find_first_of(":/ \t\n'\"\\") != std::string::npos;
  if (host.empty() || host[0] == '-' || is_other) {
    options.fail("host", "invalid host",
                 "user@machine or machine, by a name, an IPv4 address or a Host of ~/.ssh/config");
  }
  for (const char* key : {"identity", "known_hosts"}) {
    if (options.text(key).find("${") == std::string::npos) continue;
    options.fail(key, "ssh would expand the variable", "a path without ${");
  }
  if (options.text("folder").empty()) options.fail("folder", "no folder", "a path");
}

// The path is quoted for the remote shell, which then does not expand `~`. Relative paths start at
// the home folder anyway.
std::string folder_there(const Options& options) {
  const std::string& folder = options.text("folder");
  if (!folder.starts_with('~')) return folder;
  if (folder != "~" && !folder.starts_with("~/")) {
    options.fail("folder", "the home folder of another user",
                 "a path relative to your home folder, or an absolute path");
  }
  const std::size_t below = folder.find_first_not_of('/', 1);
  return below == std::string::npos ? "." : folder.substr(below);
}

void check_sbatch(const Options& options) {
  for (const std::string& line : options.texts("sbatch")) {
    if (line.starts_with("--") && line.find('\n') == std::string::npos) continue;
    options.fail("sbatch", "not an option of sbatch", "one line that starts with --");
  }
}

// The options depend on the target's kind, which is read before.
void declare(OptionFields& fields, TargetSpec& o) {
  std::string kind = to_string(o.kind);
  fields.text("kind", kind, "local, ssh or slurm");
  fields.integer("threads", o.threads, "train.threads of every run; 0: the value in its config")
      .range(0, 1024);
  if (o.kind == TargetKind::kSlurm) {
    fields.texts("sbatch", o.sbatch, "options of sbatch: --partition=gpu, --gres=gpu:1, ...");
    fields.when_read(check_sbatch);
    return;
  }
  fields.integers("gpus", o.gpus, "GPUs to use, one run on each at a time").range(0, 1023);
  fields.integer("slots", o.slots, "without gpus: number of runs at a time").range(1, 1024);
  if (o.kind != TargetKind::kSsh) return;
  fields.required_text("host", o.host, "machine, as for ssh");
  fields.integer("port", o.port, "port; 0: ssh's default").range(0, 65535);
  fields.text("folder", o.folder, "folder on that machine, relative to the home folder");
  fields.text("identity", o.identity, "file of a private key; empty: ssh's default").type =
      OptionType::kPath;
  fields.text("known_hosts", o.known_hosts, "file of host keys; empty: ssh's default").type =
      OptionType::kPath;
  fields.when_read([&](const Options& options) {
    check_ssh(options);
    o.folder = folder_there(options);
  });
}

}  // namespace

TargetSpec parse_target(const std::string& name, const ConfigNode& node) {
  if (!node.is_map()) {
    throw Error({.what = "target '" + name + "' is not a map",
                 .where = node.location().to_string(),
                 .expected = "for example {kind: local, gpus: [0, 1]}"});
  }
  TargetSpec target{.name = name, .kind = kind_of(name, node)};
  Schema schema;
  OptionFields described(schema);
  declare(described, target);
  const Options options = parse_options(node, schema, "targets." + name);
  OptionFields read(options);
  declare(read, target);
  return target;
}

}  // namespace roboimi
