// What a plugin registers: named, described factories with the schema of their options.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/head.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

class Agent;
class Backbone;
class Communicator;
class Dataset;
class Environment;
class EpisodeWriter;
class Registry;

using BackboneFactory =
    std::function<std::shared_ptr<Backbone>(const Options&, const ObservationSpec&)>;
using HeadFactory = std::function<std::shared_ptr<Head>(const Options&, const HeadSpec&)>;
// An agent builds its parts through the registry.
using AgentFactory =
    std::function<std::shared_ptr<Agent>(const Options&, const ObservationSpec&, Registry&)>;
using DatasetFactory = std::function<std::shared_ptr<Dataset>(const Options&)>;
using EpisodeWriterFactory = std::function<std::shared_ptr<EpisodeWriter>(const Options&)>;
using EnvironmentFactory = std::function<std::shared_ptr<Environment>(const Options&)>;
using CommunicatorFactory = std::function<std::shared_ptr<Communicator>(const Options&)>;

// How `roboimi plugins check` tests a component when it is given no --config.
struct ComponentCheck {
  // YAML, as a config has them. Small sizes, with which the checks take seconds: "{n_emb: 32}".
  std::string options = {};
  // Checks that do not apply, each with the reason.
  std::map<std::string, std::string> skip = {};
};

// `name` is what a config says in `type:`. One name may be used once per kind.
template <typename Factory>
struct Component {
  std::string name;
  std::string description;  // one line
  Schema schema;
  Factory create;
  ComponentCheck check = {};
};

// Collects what a plugin's register function adds. Nothing reaches the registry unless the function
// returns without throwing.
class ROBOIMI_EXPORT Registrar {
 public:
  void backbone(Component<BackboneFactory> component);
  void head(Component<HeadFactory> component);
  void agent(Component<AgentFactory> component);
  void dataset(Component<DatasetFactory> component);
  void episode_writer(Component<EpisodeWriterFactory> component);
  void environment(Component<EnvironmentFactory> component);
  void communicator(Component<CommunicatorFactory> component);

  std::vector<Component<BackboneFactory>> backbones;
  std::vector<Component<HeadFactory>> heads;
  std::vector<Component<AgentFactory>> agents;
  std::vector<Component<DatasetFactory>> datasets;
  std::vector<Component<EpisodeWriterFactory>> episode_writers;
  std::vector<Component<EnvironmentFactory>> environments;
  std::vector<Component<CommunicatorFactory>> communicators;
};

}  // namespace roboimi
