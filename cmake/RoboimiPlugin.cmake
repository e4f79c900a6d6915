# roboimi_add_plugin(NAME <name> SOURCES <files>... [LIBRARIES <targets>...])
#
# Builds lib/roboimi/plugins/lib<name>.so: hidden visibility, and undefined symbols found now instead of
# by the user who loads it. Inside the source tree the sources are also the OBJECT library
# <name>_objects, which unit tests link without the loader.
function(roboimi_add_plugin)
  cmake_parse_arguments(ARG "" "NAME" "SOURCES;LIBRARIES" ${ARGN})
  add_library(${ARG_NAME}_objects OBJECT ${ARG_SOURCES})
  target_include_directories(${ARG_NAME}_objects PUBLIC ${CMAKE_SOURCE_DIR})
  target_precompile_headers(${ARG_NAME}_objects REUSE_FROM roboimi_pch)
  target_link_libraries(${ARG_NAME}_objects PUBLIC roboimi::core ${ARG_LIBRARIES}
                        PRIVATE roboimi_build_options)
  add_library(${ARG_NAME} MODULE)
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_NAME}_objects roboimi_build_options)
  # Clang leaves the symbols of its sanitizers to the program.
  if(NOT (ROBOIMI_SANITIZE AND CMAKE_CXX_COMPILER_ID MATCHES "Clang"))
    target_link_options(${ARG_NAME} PRIVATE LINKER:--no-undefined)
  endif()
  # An installed plugin lies two folders below libroboimi.so, and keeps the way to libraries outside.
  set_target_properties(
    ${ARG_NAME}
    PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/roboimi/plugins
               DEFINE_SYMBOL ""
               LINKER_LANGUAGE CXX
               INSTALL_RPATH "$ORIGIN/../..;${LibTorch_LIBRARY_DIR}"
               INSTALL_RPATH_USE_LINK_PATH ON)
  set_property(GLOBAL APPEND PROPERTY ROBOIMI_PLUGINS ${ARG_NAME})
  install(TARGETS ${ARG_NAME} LIBRARY DESTINATION lib/roboimi/plugins)
endfunction()
