# bin/diffusion_bench compares Diffusion Policy's head with eager PyTorch.
add_executable(diffusion_bench diffusion_bench.cpp)
target_include_directories(diffusion_bench PRIVATE ${CMAKE_SOURCE_DIR})
target_precompile_headers(diffusion_bench REUSE_FROM roboimi_pch)
target_link_libraries(diffusion_bench PRIVATE diffusion_head_objects roboimi::core Boost::program_options
                                              Boost::filesystem nlohmann_json::nlohmann_json Threads::Threads
                                              roboimi_build_options)
target_compile_definitions(diffusion_bench PRIVATE ROBOIMI_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
