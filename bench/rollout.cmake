# bin/rollout_bench measures physics and rendering of sim_transfer, on one thread and on several.
add_executable(rollout_bench rollout_bench.cpp)
target_include_directories(rollout_bench PRIVATE ${CMAKE_SOURCE_DIR})
target_precompile_headers(rollout_bench REUSE_FROM roboimi_pch)
target_link_libraries(rollout_bench PRIVATE mujoco_env_objects roboimi::core fmt::fmt Threads::Threads
                                            roboimi_build_options)
