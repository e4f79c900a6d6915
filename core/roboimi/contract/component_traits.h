// The kinds of components that a plugin can provide. Each has a row with its interface, its kind
// and the arguments of its factory in addition to the component's options.
//
//   ComponentTraits<Backbone>::kKind      // ComponentKind::kBackbone
//   ComponentFactory<Backbone> factory;   // (const Options&, const ObservationSpec&)
//
// To add a kind, add a row here, a value with its name to ComponentKind, and a conformance kit.
#pragma once

#include <functional>
#include <memory>

#include "roboimi/config/schema.h"

namespace roboimi {

class Agent;
class Backbone;
class Communicator;
class Dataset;
class Environment;
class EpisodeWriter;
class Head;
class Registry;
struct HeadSpec;
struct ObservationSpec;

template <ComponentKind kind, typename Interface, typename... Arguments>
struct ComponentRow {
  static constexpr ComponentKind kKind = kind;
  using Factory = std::function<std::shared_ptr<Interface>(const Options&, Arguments...)>;
};

template <typename Interface>
struct ComponentTraits;

template <>
struct ComponentTraits<Backbone>
    : ComponentRow<ComponentKind::kBackbone, Backbone, const ObservationSpec&> {};
template <>
struct ComponentTraits<Head> : ComponentRow<ComponentKind::kHead, Head, const HeadSpec&> {};
// An agent creates its parts through the registry.
template <>
struct ComponentTraits<Agent>
    : ComponentRow<ComponentKind::kAgent, Agent, const ObservationSpec&, Registry&> {};
template <>
struct ComponentTraits<Dataset> : ComponentRow<ComponentKind::kDataset, Dataset> {};
template <>
struct ComponentTraits<EpisodeWriter> : ComponentRow<ComponentKind::kEpisodeWriter, EpisodeWriter> {
};
template <>
struct ComponentTraits<Environment> : ComponentRow<ComponentKind::kEnvironment, Environment> {};
template <>
struct ComponentTraits<Communicator> : ComponentRow<ComponentKind::kCommunicator, Communicator> {};

template <typename Interface>
using ComponentFactory = typename ComponentTraits<Interface>::Factory;

}  // namespace roboimi
