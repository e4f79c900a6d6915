// Components: the named factories that a plugin registers, with the schema of their options.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/component_traits.h"

namespace roboimi {

// How `roboimi plugins check` tests a component without --config.
struct ComponentCheck {
  // Options in YAML, as in a config: "{n_emb: 32}". Use small sizes so that checks take seconds.
  std::string options = {};
  // Checks that do not apply: name -> reason.
  std::map<std::string, std::string> skip = {};
};

// `name` is the value of `type:` in a config. It must be unique among components of a kind.
template <typename Interface>
struct Component {
  std::string name;
  std::string description;  // one line
  Schema schema;
  ComponentFactory<Interface> create;
  ComponentCheck check = {};
};

// A component of any kind, as stored in the registry.
struct RegisteredComponent {
  ComponentKind kind;
  std::string name, description;
  Schema schema;
  ComponentCheck check;
  std::shared_ptr<const void> factory;  // a ComponentFactory of the kind; empty if none was given
};

// Collects the components that a plugin's register function adds. They are added to the registry
// only if the function returns without throwing.
class ROBOIMI_EXPORT Registrar {
 public:
  // registrar.add<Backbone>({.name = "my_backbone", ...});
  template <typename Interface>
  void add(Component<Interface> component) {
    std::shared_ptr<const void> factory;
    if (component.create) {
      factory = std::make_shared<const ComponentFactory<Interface>>(std::move(component.create));
    }
    components_.push_back({.kind = ComponentTraits<Interface>::kKind,
                           .name = std::move(component.name),
                           .description = std::move(component.description),
                           .schema = std::move(component.schema),
                           .check = std::move(component.check),
                           .factory = std::move(factory)});
  }

  const std::vector<RegisteredComponent>& components() const { return components_; }

 private:
  std::vector<RegisteredComponent> components_;
};

}  // namespace roboimi
