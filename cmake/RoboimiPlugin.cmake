# roboimi_add_plugin(NAME <name> SOURCES <files>... [LIBRARIES <targets>...]
#                    [COMPONENT <name>] [CHECK_CONFIG <options.yaml>] [CHECK_ARGUMENTS <arguments>...])
#
# Builds lib<name>.so, a roboimi plugin, with hidden visibility. Undefined symbols are reported at link
# time, not when the plugin is loaded. The plugin is installed into lib/roboimi/plugins with a run path that
# finds libroboimi.so. A checksum in its ELF note lets the loader reject a damaged copy.
#
# Outside the source tree the plugin is built into the build folder. If testing is enabled, the test
# <name>_conformance runs the conformance kit:
#
#   roboimi plugins check lib<name>.so [--component <name>] [--config <options.yaml>] <arguments>...
#
# Inside the source tree the sources are also compiled into the OBJECT library <name>_objects, which unit
# tests link without the loader; tests/conformance/ sets the options that the kit runs with.
function(roboimi_add_plugin)
  cmake_parse_arguments(ARG "" "NAME;COMPONENT;CHECK_CONFIG" "SOURCES;LIBRARIES;CHECK_ARGUMENTS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS OR NOT ARG_NAME OR NOT ARG_SOURCES)
    message(FATAL_ERROR "roboimi_add_plugin requires NAME and SOURCES; unknown arguments: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  add_library(${ARG_NAME} MODULE)
  if(TARGET roboimi_pch)
    _roboimi_plugin_of_the_tree(${ARG_NAME} "${ARG_SOURCES}" "${ARG_LIBRARIES}")
  else()
    target_sources(${ARG_NAME} PRIVATE ${ARG_SOURCES})
    target_compile_features(${ARG_NAME} PRIVATE cxx_std_20)
    target_link_libraries(${ARG_NAME} PRIVATE roboimi::core ${ARG_LIBRARIES})
    set_target_properties(${ARG_NAME} PROPERTIES CXX_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON)
    _roboimi_add_conformance_test(${ARG_NAME} "${ARG_COMPONENT}" "${ARG_CHECK_CONFIG}" "${ARG_CHECK_ARGUMENTS}")
  endif()
  # Clang resolves the sanitizers' symbols in the program, not in the library.
  if(NOT (ROBOIMI_SANITIZE AND CMAKE_CXX_COMPILER_ID MATCHES "Clang"))
    target_link_options(${ARG_NAME} PRIVATE LINKER:--no-undefined)
  endif()
  # An installed plugin is two folders below libroboimi.so; it keeps its run path to external libraries.
  set_target_properties(
    ${ARG_NAME}
    PROPERTIES DEFINE_SYMBOL ""
               LINKER_LANGUAGE CXX
               INSTALL_RPATH "$ORIGIN/../..;$ORIGIN/../external;${ROBOIMI_INSTALL_RPATH}"
               INSTALL_RPATH_USE_LINK_PATH ${ROBOIMI_RPATH_USES_LINK_PATH})
  roboimi_add_plugin_checksum(${ARG_NAME})
  install(TARGETS ${ARG_NAME} LIBRARY DESTINATION lib/roboimi/plugins)
endfunction()

# roboimi_add_plugin_checksum(<target>)
#
# Writes the library's checksum into its ELF note after each link, for a plugin that is not built by
# roboimi_add_plugin(). The checksum stays valid after strip and `cmake --install`. Skipped when
# cross-compiling, since the checksum program cannot run on the build machine.
function(roboimi_add_plugin_checksum target)
  if(CMAKE_CROSSCOMPILING)
    return()
  endif()
  if(ROBOIMI_SANITIZE)
    set(environment ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0)
  endif()
  add_custom_command(TARGET ${target} POST_BUILD VERBATIM
                     COMMAND ${environment} $<TARGET_FILE:roboimi::plugin_checksum> $<TARGET_FILE:${target}>)
  add_dependencies(${target} roboimi::plugin_checksum)
endfunction()

function(_roboimi_plugin_of_the_tree name sources libraries)
  add_library(${name}_objects OBJECT ${sources})
  target_include_directories(${name}_objects PUBLIC ${CMAKE_SOURCE_DIR})
  target_precompile_headers(${name}_objects REUSE_FROM roboimi_pch)
  set_target_properties(${name}_objects PROPERTIES UNITY_BUILD_BATCH_SIZE 16)
  target_link_libraries(${name}_objects PUBLIC roboimi::core ${libraries} PRIVATE roboimi_build_options)
  target_link_libraries(${name} PRIVATE ${name}_objects roboimi_build_options)
  set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/roboimi/plugins)
  set_property(GLOBAL APPEND PROPERTY ROBOIMI_PLUGINS ${name})
endfunction()

function(_roboimi_add_conformance_test name component config arguments)
  if(NOT BUILD_TESTING)
    return()
  endif()
  set(options ${arguments})
  if(component)
    list(APPEND options --component ${component})
  endif()
  if(config)
    get_filename_component(config ${config} ABSOLUTE)
    list(APPEND options --config ${config})
  endif()
  add_test(NAME ${name}_conformance COMMAND roboimi::roboimi plugins check $<TARGET_FILE:${name}> ${options})
endfunction()
