# Finds libtorch without the CUDA toolkit. torch's own package config is not used, since it requires one.
#
#   LibTorch_ROOT (CMake or environment)   an unpacked libtorch, or the `torch` folder of a wheel
#   otherwise                              <source>/.venv, then the torch of `python3`
#
# Defines LibTorch::LibTorch and LibTorch_VERSION, LibTorch_ROOT_DIR, LibTorch_LIBRARY_DIR, LibTorch_CUDA.

set(_candidates "")
if(DEFINED LibTorch_ROOT)
  list(APPEND _candidates "${LibTorch_ROOT}")
elseif(DEFINED ENV{LibTorch_ROOT})
  list(APPEND _candidates "$ENV{LibTorch_ROOT}")
else()
  file(GLOB _venv "${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
  list(APPEND _candidates ${_venv})
  if(NOT _candidates)
    find_program(LibTorch_PYTHON NAMES python3)
    if(LibTorch_PYTHON)
      execute_process(
        COMMAND "${LibTorch_PYTHON}" -c
                "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
        OUTPUT_VARIABLE _python_torch
        OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
      list(APPEND _candidates ${_python_torch})
    endif()
  endif()
endif()

# Nothing is cached, so that the next configuration notices a torch that was moved or replaced.
set(LibTorch_ROOT_DIR "")
foreach(_candidate IN LISTS _candidates)
  if(EXISTS "${_candidate}/lib/libtorch_cpu.so" AND EXISTS "${_candidate}/include/ATen/ATen.h")
    set(LibTorch_ROOT_DIR "${_candidate}")
    break()
  endif()
endforeach()

set(LibTorch_VERSION "")
if(LibTorch_ROOT_DIR)
  set(LibTorch_LIBRARY_DIR "${LibTorch_ROOT_DIR}/lib")
  foreach(_header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(EXISTS "${LibTorch_ROOT_DIR}/include/${_header}" AND NOT LibTorch_VERSION)
      file(STRINGS "${LibTorch_ROOT_DIR}/include/${_header}" _numbers
           REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
      string(REGEX REPLACE "#define TORCH_VERSION_[A-Z]+ " "" _numbers "${_numbers}")
      list(JOIN _numbers "." LibTorch_VERSION)
    endif()
  endforeach()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  LibTorch
  REQUIRED_VARS LibTorch_ROOT_DIR LibTorch_LIBRARY_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE
    "Looked in: ${_candidates}. Run scripts/setup.sh, or pass -DLibTorch_ROOT=<unpacked libtorch>.")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  # torch's include folder contains a newer fmt that would hide the system's, which spdlog needs. A folder
  # that holds only a link to the system's fmt is searched first, so that spdlog gets the right one.
  find_path(LibTorch_SYSTEM_FMT fmt/format.h PATHS /usr/include NO_DEFAULT_PATH)
  set(_fmt_first "${CMAKE_BINARY_DIR}/fmt_first")
  file(MAKE_DIRECTORY "${_fmt_first}")
  if(LibTorch_SYSTEM_FMT)
    file(CREATE_LINK "${LibTorch_SYSTEM_FMT}/fmt" "${_fmt_first}/fmt" SYMBOLIC)
  endif()

  # Do not link libtorch.so: it holds only a copy of std::filesystem, which is incomplete in some versions.
  set(_libraries "${LibTorch_LIBRARY_DIR}/libtorch_cpu.so" "${LibTorch_LIBRARY_DIR}/libc10.so")
  set(LibTorch_CUDA FALSE)
  if(EXISTS "${LibTorch_LIBRARY_DIR}/libtorch_cuda.so")
    # Few of our libraries use a symbol of these, but without them the CUDA backend is not registered.
    list(APPEND _libraries "-Wl,--no-as-needed" "${LibTorch_LIBRARY_DIR}/libtorch_cuda.so"
         "${LibTorch_LIBRARY_DIR}/libc10_cuda.so" "-Wl,--as-needed")
    set(LibTorch_CUDA TRUE)
    # Headers of the CUDA runtime, from the wheels installed beside torch or from a toolkit.
    file(GLOB _cuda_wheels "${LibTorch_ROOT_DIR}/../nvidia/*/include")
    find_path(LibTorch_CUDA_INCLUDE_DIR cuda_runtime_api.h
              HINTS ${_cuda_wheels} ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda
              PATH_SUFFIXES include)
    # CUDA 13 has a separate wheel for the headers in crt/.
    foreach(_header cuda_runtime_api.h crt/host_config.h)
      if(NOT EXISTS "${LibTorch_CUDA_INCLUDE_DIR}/${_header}")
        message(FATAL_ERROR "LibTorch in ${LibTorch_ROOT_DIR} is a CUDA build, but ${_header} was not found "
                            "beside it or in a toolkit. Install the wheels nvidia-cuda-runtime and "
                            "nvidia-cuda-crt of the same CUDA version beside torch, or pass "
                            "-DLibTorch_CUDA_INCLUDE_DIR=DIR.")
      endif()
    endforeach()
  endif()

  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  target_include_directories(LibTorch::LibTorch SYSTEM BEFORE INTERFACE "${_fmt_first}")
  target_include_directories(
    LibTorch::LibTorch SYSTEM INTERFACE "${LibTorch_ROOT_DIR}/include"
                                        "${LibTorch_ROOT_DIR}/include/torch/csrc/api/include")
  target_link_libraries(LibTorch::LibTorch INTERFACE ${_libraries})
  if(LibTorch_CUDA)
    target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE "${LibTorch_CUDA_INCLUDE_DIR}")
    # The CUDA libraries are needed on the machine with the GPU, not on the build machine.
    target_link_options(LibTorch::LibTorch INTERFACE "LINKER:--allow-shlib-undefined"
                        "LINKER:--unresolved-symbols=ignore-in-shared-libs")
  endif()
  # libtorch_cpu.so also exports its own std::filesystem. The loader takes a symbol from the first library
  # that has it, so libstdc++ must come before libtorch. It is passed as a link option because options
  # precede libraries on the link line.
  target_link_options(
    LibTorch::LibTorch INTERFACE "-Wl,-rpath-link,${LibTorch_LIBRARY_DIR}"
    "LINKER:--push-state,--no-as-needed,-lstdc++,--pop-state")
endif()
