// Threads that run the tasks of one round after another in parallel.
//
//   ThreadTeam team(4);   // three threads and the caller
//   team.run(32, [&](std::size_t i) { episodes[i]->advance(); });
//
// Tasks run without gradients and on one thread each: libtorch's operators start no others.
// Internal to rollout.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace roboimi {

class ThreadTeam {
 public:
  // `size` >= 1 threads, of which one is the caller of run().
  explicit ThreadTeam(std::int64_t size);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  // Calls task(0), ..., task(count - 1), each once and on any of the threads, and waits for all of
  // them. If tasks throw, rethrows the exception of the smallest index.
  void run(std::size_t count, const std::function<void(std::size_t)>& task);

 private:
  void serve();
  void work();

  std::mutex mutex_;
  std::condition_variable begin_, end_;
  const std::function<void(std::size_t)>* task_ = nullptr;  // of the current round
  std::vector<std::exception_ptr> errors_;                  // one per task of the round
  std::atomic<std::size_t> next_ = 0;
  std::uint64_t round_ = 0;
  std::size_t busy_ = 0;  // threads that have not finished the round
  bool stops_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace roboimi
