# bin/imf_bench compares the IMF head with eager PyTorch. It uses the trainer's training step.
add_executable(imf_bench imf_bench.cpp)
target_include_directories(imf_bench PRIVATE ${CMAKE_SOURCE_DIR})
target_precompile_headers(imf_bench REUSE_FROM roboimi_pch)
target_link_libraries(imf_bench PRIVATE imf_head_objects roboimi::core Boost::program_options Boost::filesystem
                                        nlohmann_json::nlohmann_json Threads::Threads
                                        roboimi_build_options)
target_compile_definitions(imf_bench PRIVATE ROBOIMI_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
