# bin/loader_bench compares the loading of training batches with PyTorch's DataLoader and lerobot's dataset.
add_executable(loader_bench loader_bench.cpp)
target_include_directories(loader_bench PRIVATE ${CMAKE_SOURCE_DIR})
target_precompile_headers(loader_bench REUSE_FROM roboimi_pch)
target_link_libraries(loader_bench PRIVATE roboimi::core fmt::fmt Boost::filesystem Threads::Threads
                                           roboimi_build_options)
target_compile_definitions(loader_bench PRIVATE ROBOIMI_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
add_dependencies(loader_bench plugins)
