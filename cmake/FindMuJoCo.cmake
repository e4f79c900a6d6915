# Finds MuJoCo in the `mujoco` folder of its Python wheel, or in an unpacked release.
#
#   MuJoCo_ROOT (CMake or environment)   that folder; default: the wheel in <source>/.venv
#
# Defines MuJoCo::MuJoCo and MuJoCo_VERSION, MuJoCo_LIBRARY_DIR.

set(_candidates "")
if(DEFINED MuJoCo_ROOT)
  list(APPEND _candidates "${MuJoCo_ROOT}")
elseif(DEFINED ENV{MuJoCo_ROOT})
  list(APPEND _candidates "$ENV{MuJoCo_ROOT}")
else()
  file(GLOB _candidates "${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/mujoco")
endif()

set(MuJoCo_LIBRARY "")
foreach(_candidate IN LISTS _candidates)
  file(GLOB _found "${_candidate}/libmujoco.so.*" "${_candidate}/lib/libmujoco.so.*")
  if(_found AND EXISTS "${_candidate}/include/mujoco/mujoco.h")
    list(GET _found 0 MuJoCo_LIBRARY)
    set(MuJoCo_INCLUDE_DIR "${_candidate}/include")
    break()
  endif()
endforeach()

set(MuJoCo_VERSION "")
if(MuJoCo_LIBRARY)
  get_filename_component(MuJoCo_LIBRARY_DIR "${MuJoCo_LIBRARY}" DIRECTORY)
  string(REGEX REPLACE ".*libmujoco\\.so\\.([0-9.]+)$" "\\1" MuJoCo_VERSION "${MuJoCo_LIBRARY}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  MuJoCo
  REQUIRED_VARS MuJoCo_LIBRARY MuJoCo_INCLUDE_DIR
  VERSION_VAR MuJoCo_VERSION
  REASON_FAILURE_MESSAGE
    "Looked in: ${_candidates}. Run scripts/setup.sh, or pass -DMuJoCo_ROOT=<unpacked release>.")

if(MuJoCo_FOUND AND NOT TARGET MuJoCo::MuJoCo)
  add_library(MuJoCo::MuJoCo SHARED IMPORTED)
  set_target_properties(MuJoCo::MuJoCo PROPERTIES IMPORTED_LOCATION "${MuJoCo_LIBRARY}"
                                                  INTERFACE_INCLUDE_DIRECTORIES "${MuJoCo_INCLUDE_DIR}")
endif()
