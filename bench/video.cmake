# bin/video_bench compares the video reader with PyAV.
add_executable(video_bench video_bench.cpp)
target_include_directories(video_bench PRIVATE ${CMAKE_SOURCE_DIR})
target_precompile_headers(video_bench REUSE_FROM roboimi_pch)
target_link_libraries(video_bench PRIVATE roboimi::core fmt::fmt Boost::filesystem Threads::Threads
                                          roboimi_build_options)
target_compile_definitions(video_bench PRIVATE ROBOIMI_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
