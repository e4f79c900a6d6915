# bin/parquet_bench compares the Parquet reader and writer with pyarrow.
add_executable(parquet_bench parquet_bench.cpp)
target_include_directories(parquet_bench PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(parquet_bench PRIVATE roboimi::core fmt::fmt Boost::filesystem Threads::Threads
                                            roboimi_build_options)
target_compile_definitions(parquet_bench PRIVATE ROBOIMI_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
