#include "app/conformance_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/testing/agent_checks.h"
#include "roboimi/testing/backbone_checks.h"
#include "roboimi/testing/communicator_checks.h"
#include "roboimi/testing/dataset_checks.h"
#include "roboimi/testing/environment_checks.h"
#include "roboimi/testing/episode_writer_checks.h"
#include "roboimi/testing/head_checks.h"
#include "roboimi/testing/head_samples.h"

namespace roboimi::app {
namespace {

using testing::Check;
using testing::CheckResult;

// The kit's subject for a registered component, with the settings of the command line.
template <typename Kind>
class Registered : public Kind {
 public:
  explicit Registered(const ConformanceRun& run) : run_(run) {}

  std::map<std::string, std::string> skipped() const override {
    std::map<std::string, std::string> skipped = run_.component.check.skip;
    for (const std::string& check : run_.skip) skipped[check] = "skipped by --skip";
    return skipped;
  }

 protected:
  // The kit's streams and those of the run. With --camera, the kit's images are replaced by these
  // cameras in the same size, each with its depth.
  ObservationSpec with_streams(ObservationSpec spec) const {
    if (!run_.cameras.empty()) {
      const ImageSize size = spec.image_size(spec.camera_names().front());
      std::erase_if(spec.streams, [](const StreamSpec& stream) { return stream.is_image(); });
      for (const std::string& camera : run_.cameras) spec.set(rgb_stream(camera, size));
      for (const std::string& camera : run_.cameras) {
        spec.set(depth_stream(camera + "_depth", size));
      }
    }
    for (const StreamSpec& stream : run_.streams) spec.set(stream);
    return spec;
  }

  const ConformanceRun& run_;
  Registry& registry_ = Registry::instance();
};

class RegisteredBackbone final : public Registered<testing::BackboneSubject> {
 public:
  using Registered::Registered;
  std::shared_ptr<Backbone> make(const ObservationSpec& spec) const override {
    return registry_.create<Backbone>(run_.options, "backbone", spec);
  }
  ObservationSpec spec() const override { return with_streams(BackboneSubject::spec()); }
};

class RegisteredHead final : public Registered<testing::HeadSubject> {
 public:
  using Registered::Registered;
  std::shared_ptr<Head> make(const HeadSpec& spec) const override {
    return registry_.create<Head>(run_.options, "head", spec);
  }
};

class RegisteredAgent final : public Registered<testing::AgentSubject> {
 public:
  using Registered::Registered;
  std::shared_ptr<Agent> make(const ObservationSpec& spec) const override {
    return registry_.create_agent(run_.options, "agent", spec, /*seed=*/1);
  }
  ObservationSpec spec() const override { return with_streams(AgentSubject::spec()); }
};

class RegisteredDataset final : public Registered<testing::DatasetSubject> {
 public:
  using Registered::Registered;
  std::shared_ptr<Dataset> make() const override {
    return registry_.create<Dataset>(run_.options, "data");
  }
};

class RegisteredEnvironment final : public Registered<testing::EnvironmentSubject> {
 public:
  using Registered::Registered;
  std::shared_ptr<Environment> make() const override {
    return registry_.create<Environment>(run_.options, "env");
  }
};

class RegisteredEpisodeWriter final : public Registered<testing::EpisodeWriterSubject> {
 public:
  using Registered::Registered;
  std::shared_ptr<EpisodeWriter> make() const override {
    return registry_.create<EpisodeWriter>(run_.options, "writer");
  }
  // Uses the dataset of the writer's plugin that has the usual options, if there is exactly one.
  std::shared_ptr<Dataset> read_back(const std::filesystem::path& folder,
                                     const EpisodeRecord& record) const override {
    // Find the dataset.
    std::vector<ComponentInfo> readers;
    const auto streams_key = [](const ComponentInfo& info) {
      return info.schema.find("stream_names") != nullptr ? "stream_names" : "streams";
    };
    for (const ComponentInfo& info : registry_.components()) {
      const bool is_beside = info.plugin == run_.component.plugin && !info.needs_file;
      const bool has_options = info.schema.find("path") != nullptr &&
                               info.schema.find("camera_names") != nullptr &&
                               info.schema.find(streams_key(info)) != nullptr;
      if (info.kind == ComponentKind::kDataset && is_beside && has_options) {
        readers.push_back(info);
      }
    }
    if (readers.size() != 1) return nullptr;
    // Name the streams that a dataset does not load by default.
    std::vector<ConfigNode> cameras, streams;
    for (const StreamSpec& stream : record.streams) {
      const bool is_default =
          stream.name == kState || stream.name == kVelocity || stream.name == kEnvState;
      if (is_default) continue;
      (stream.kind == StreamKind::kRgb ? cameras : streams)
          .push_back(ConfigNode::scalar(stream.name, {}, /*quoted=*/true));
    }
    ConfigNode node = ConfigNode::map();
    node.set("type", ConfigNode::scalar(readers.front().name));
    node.set("path", ConfigNode::scalar(folder.string(), {}, /*quoted=*/true));
    node.set("camera_names", ConfigNode::sequence(std::move(cameras)));
    node.set(streams_key(readers.front()), ConfigNode::sequence(std::move(streams)));
    return registry_.create<Dataset>(node, "data");
  }
};

// The only communicator of the process. Finishes it when the checks are done.
class RegisteredCommunicator final : public Registered<testing::CommunicatorSubject> {
 public:
  using Registered::Registered;
  ~RegisteredCommunicator() override {
    if (made_) made_->finish();
  }
  std::shared_ptr<Communicator> get() const override {
    if (!made_) made_ = registry_.create<Communicator>(run_.options, "communicator");
    return made_;
  }

 private:
  mutable std::shared_ptr<Communicator> made_;
};

// Creates the component as the checks do.
template <typename Kind>
void make_any(const Kind& subject) {
  if constexpr (requires { subject.get(); }) {
    subject.get();
  } else if constexpr (requires { subject.spec().streams; }) {
    subject.make(subject.spec());
  } else if constexpr (requires { subject.spec(); }) {
    testing::make_head(subject);
  } else {
    subject.make();
  }
}

// A hint for the user if a component cannot be created.
template <typename Kind>
std::string next_step() {
  if constexpr (requires(const Kind& subject) { subject.spec().streams; }) {
    return "set its options with --config FILE, name cameras with --camera NAME, and add other "
           "streams with --stream NAME=KIND[:SHAPE[:DTYPE]]";
  }
  return "set its options with --config FILE";
}

// Checks that the options create a component, so that no later check fails because of the options.
template <typename Kind>
CheckResult can_be_made(const Kind& subject) {
  return testing::run_check("can_be_made", "a component is created from its options", subject, [&] {
    try {
      make_any(subject);
    } catch (const Error& error) {
      throw testing::CheckFailure(fmt::format("{}; {}", error.what(), next_step<Kind>()));
    }
  });
}

template <typename Kind>
void check_names(const std::vector<Check<Kind>>& checks, const std::vector<std::string>& skip) {
  std::vector<std::string> names;
  for (const Check<Kind>& check : checks) names.push_back(check.name);
  for (const std::string& name : skip) {
    if (std::ranges::find(names, testing::current_check_name(name)) != names.end()) continue;
    throw Error({.what = fmt::format("unknown check '{}' in --skip", name),
                 .expected = fmt::format("one of {}", fmt::join(names, ", ")),
                 .next = did_you_mean(name, names)});
  }
}

template <typename Kind, typename Subject>
std::vector<CheckResult> run_all(const ConformanceRun& run, const std::vector<Check<Kind>>& checks,
                                 const Subject& subject) {
  std::vector<std::string> skip = run.skip;
  for (const auto& [name, reason] : run.component.check.skip) skip.push_back(name);
  check_names(checks, skip);
  const auto announce = [&](const std::string& check) {
    if (run.before) run.before(check);
  };
  announce("can_be_made");
  std::vector<CheckResult> results = {can_be_made(subject)};
  if (results.front().status != testing::CheckStatus::kPassed) return results;
  for (const Check<Kind>& check : checks) {
    announce(check.name);
    results.push_back(testing::run_check(check, subject));
  }
  return results;
}

}  // namespace

std::vector<CheckResult> run_conformance(const ConformanceRun& run) {
  switch (run.component.kind) {
    case ComponentKind::kBackbone:
      return run_all(run, testing::backbone_checks(), RegisteredBackbone(run));
    case ComponentKind::kHead:
      return run_all(run, testing::head_checks(), RegisteredHead(run));
    case ComponentKind::kAgent:
      return run_all(run, testing::agent_checks(), RegisteredAgent(run));
    case ComponentKind::kDataset:
      return run_all(run, testing::dataset_checks(), RegisteredDataset(run));
    case ComponentKind::kEnvironment:
      return run_all(run, testing::environment_checks(), RegisteredEnvironment(run));
    case ComponentKind::kEpisodeWriter:
      return run_all(run, testing::episode_writer_checks(), RegisteredEpisodeWriter(run));
    case ComponentKind::kCommunicator:
      return run_all(run, testing::communicator_checks(), RegisteredCommunicator(run));
  }
  return {};
}

}  // namespace roboimi::app
