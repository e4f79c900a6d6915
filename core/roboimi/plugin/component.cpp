#include "roboimi/plugin/component.h"

namespace roboimi {

void Registrar::backbone(Component<BackboneFactory> component) {
  backbones.push_back(std::move(component));
}

void Registrar::head(Component<HeadFactory> component) { heads.push_back(std::move(component)); }

void Registrar::agent(Component<AgentFactory> component) { agents.push_back(std::move(component)); }

void Registrar::dataset(Component<DatasetFactory> component) {
  datasets.push_back(std::move(component));
}

void Registrar::episode_writer(Component<EpisodeWriterFactory> component) {
  episode_writers.push_back(std::move(component));
}

void Registrar::environment(Component<EnvironmentFactory> component) {
  environments.push_back(std::move(component));
}

void Registrar::communicator(Component<CommunicatorFactory> component) {
  communicators.push_back(std::move(component));
}

}  // namespace roboimi
