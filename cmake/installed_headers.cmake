# The headers that plugins and robot programs may include. A folder installs all its headers; a file name
# installs only that file. tests/unit/architecture checks that installed headers include no header outside
# this list, and that the plugin API version changes with their contents.
set(ROBOIMI_INSTALLED_HEADERS
    contract
    common/error.h
    common/export.h
    common/log_route.h
    common/random.h
    config/declare.h
    config/node.h
    config/schema.h
    deploy/action_limits.h
    deploy/policy.h
    deploy/state_watch.h
    plugin/component.h
    plugin/fingerprint.h
    plugin/plugin.h
    plugin/registry.h
    testing/agent_checks.h
    testing/backbone_checks.h
    testing/check.h
    testing/communicator_checks.h
    testing/conformance.h
    testing/dataset_checks.h
    testing/environment_checks.h
    testing/episode_writer_checks.h
    testing/head_checks.h)
