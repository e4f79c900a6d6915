# bin/encode_bench compares the frozen LEWM encoder with the transformers library.
add_executable(encode_bench encode_bench.cpp)
target_include_directories(encode_bench PRIVATE ${CMAKE_SOURCE_DIR})
target_precompile_headers(encode_bench REUSE_FROM roboimi_pch)
target_link_libraries(encode_bench PRIVATE roboimi_vit roboimi_view_fusion roboimi::core fmt::fmt
                                           Boost::filesystem Threads::Threads roboimi_build_options)
target_compile_definitions(encode_bench PRIVATE ROBOIMI_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
