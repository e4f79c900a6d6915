# Install rules for `cmake --install`, and the CPack packages built from them:
#
#   bin/roboimi  lib/libroboimi.so  lib/roboimi/plugins/  share/roboimi/{configs,assets,scripts}
#   include/roboimi/  lib/cmake/roboimi/            for plugins and programs outside the source tree
#
# The installed tree is relocatable as a whole. Its run paths point to the libtorch that was found at
# configuration; with ROBOIMI_BUNDLE_LIBRARIES, libtorch and MuJoCo are copied into lib/roboimi/external.
include(CMakePackageConfigHelpers)

install(TARGETS roboimi_core EXPORT roboimi LIBRARY DESTINATION lib)
install(TARGETS roboimi roboimi_plugin_checksum EXPORT roboimi RUNTIME DESTINATION bin)
include(installed_headers)
foreach(header IN LISTS ROBOIMI_INSTALLED_HEADERS)
  if(header MATCHES "\\.h$")
    get_filename_component(folder ${header} DIRECTORY)
    install(FILES core/roboimi/${header} DESTINATION include/roboimi/${folder})
  else()
    install(DIRECTORY core/roboimi/${header} DESTINATION include/roboimi FILES_MATCHING PATTERN "*.h")
  endif()
endforeach()
install(DIRECTORY configs DESTINATION share/roboimi)
install(DIRECTORY assets/checkpoints DESTINATION share/roboimi/assets)
install(PROGRAMS scripts/swanlab_follow.py DESTINATION share/roboimi/scripts)
install(FILES scripts/requirements-swanlab.txt DESTINATION share/roboimi/scripts)
install(FILES LICENSE README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md DESTINATION share/doc/roboimi)
install(DIRECTORY docs DESTINATION share/doc/roboimi
        FILES_MATCHING PATTERN "*.md" PATTERN "*.svg" PATTERN "*.png" PATTERN "*.webp")
# The documents link to these.
file(GLOB plugin_readmes RELATIVE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/plugins/*/README.md)
foreach(readme IN LISTS plugin_readmes)
  get_filename_component(folder ${readme} DIRECTORY)
  install(FILES ${readme} DESTINATION share/doc/roboimi/${folder})
endforeach()
install(DIRECTORY examples DESTINATION share/doc/roboimi)

if(ROBOIMI_BUNDLE_LIBRARIES)
  # Only the libraries that a program loads: no archives, no Python bindings, no test libraries. Nothing
  # links libtorch.so; see FindLibTorch.cmake.
  file(GLOB libraries "${LibTorch_LIBRARY_DIR}/*.so" "${LibTorch_LIBRARY_DIR}/*.so.*" "${MuJoCo_LIBRARY}")
  list(FILTER libraries EXCLUDE REGEX "libtorch\\.so|libtorch_global_deps|libtorch_python|libshm|libtorchbind")
  list(FILTER libraries EXCLUDE REGEX "libbackend|libaoti|libjitbackend")
  install(FILES ${libraries} DESTINATION lib/roboimi/external)
endif()

configure_package_config_file(cmake/roboimiConfig.cmake.in roboimiConfig.cmake
                              INSTALL_DESTINATION lib/cmake/roboimi)
write_basic_package_version_file(roboimiConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT roboimi NAMESPACE roboimi:: DESTINATION lib/cmake/roboimi FILE roboimiTargets.cmake)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/roboimiConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/roboimiConfigVersion.cmake cmake/FindLibTorch.cmake
              cmake/RoboimiPlugin.cmake
        DESTINATION lib/cmake/roboimi)

set(CPACK_GENERATOR "TGZ;DEB")
set(CPACK_PACKAGE_VENDOR roboimi)
set(CPACK_PACKAGE_CONTACT "the roboimi maintainers <maintainers@roboimi.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Trains, evaluates and deploys visuomotor robot policies")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /opt/roboimi)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# The OpenGL libraries are opened at run time.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libegl1, libegl-mesa0, libgl1-mesa-dri")
# libtorch and MuJoCo belong to no Debian package.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${LibTorch_LIBRARY_DIR} ${MuJoCo_LIBRARY_DIR}
                                                ${CMAKE_LIBRARY_OUTPUT_DIRECTORY})
include(CPack)
