// The macro that makes a shared library a roboimi plugin. Use it once, in one source file:
//
//   #include "roboimi/plugin/plugin.h"
//
//   ROBOIMI_PLUGIN("my_backbone", "1.0.0", "A small ConvNet encoder") {
//     registrar.add<roboimi::Backbone>({.name = "my_backbone",
//                         .description = "ConvNet encoder, one feature per camera",
//                         .schema = my_backbone::schema(),
//                         .create = my_backbone::create});
//   }
//
// The macro defines the fingerprint (an ELF note that is read before the library is opened), the
// descriptor symbol that the loader looks up, and the signature of the register function, whose
// body follows it.
#pragma once

#include <torch/version.h>

#include "roboimi/plugin/component.h"
#include "roboimi/plugin/fingerprint.h"

namespace roboimi {

// The type of the exported symbol `roboimi_plugin_descriptor`.
struct PluginDescriptor {
  std::uint32_t size;  // sizeof(PluginDescriptor) of the plugin's build
  std::uint32_t api_version;
  const char* name;
  const char* version;
  const char* description;
  void (*register_components)(Registrar& registrar);
};

}  // namespace roboimi

#define ROBOIMI_PLUGIN(plugin_name, plugin_version, plugin_description)                  \
  ROBOIMI_PLUGIN_NOTE(plugin_name, plugin_version)                                       \
  static void roboimi_register_components(::roboimi::Registrar& registrar);              \
  extern "C" ROBOIMI_EXPORT const ::roboimi::PluginDescriptor roboimi_plugin_descriptor; \
  const ::roboimi::PluginDescriptor roboimi_plugin_descriptor = {                        \
      sizeof(::roboimi::PluginDescriptor),                                               \
      ::roboimi::kPluginApiVersion,                                                      \
      plugin_name,                                                                       \
      plugin_version,                                                                    \
      plugin_description,                                                                \
      &roboimi_register_components};                                                     \
  static void roboimi_register_components(::roboimi::Registrar& registrar)
