// A worker thread that runs tasks in order.
//
//   Worker worker;
//   std::future<Plan> plan = worker.run([=] { return compute(condition); });
//   if (plan.wait_until(deadline) == std::future_status::ready) use(plan.get());
//
// The thread starts with the first task. Each task uses its caller's number of libtorch threads, a
// per-thread setting. The destructor waits for the running task and drops the queued ones.
#pragma once

#include <ATen/Parallel.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>

namespace roboimi::vla_agent {

class Worker {
 public:
  Worker() = default;
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  template <typename Function>
  std::future<std::invoke_result_t<Function>> run(Function function) {
    std::packaged_task<std::invoke_result_t<Function>()> task(
        [function = std::move(function), threads = at::get_num_threads()]() mutable {
          if (at::get_num_threads() != threads) at::set_num_threads(threads);
          return function();
        });
    auto result = task.get_future();
    {
      const std::lock_guard lock(mutex_);
      tasks_.emplace_back([task = std::move(task)]() mutable { task(); });
    }
    changed_.notify_one();
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    return result;
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (stopping_) return;
      std::packaged_task<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      // Destroys the task's captures before the lock is taken.
      task = {};
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::packaged_task<void()>> tasks_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace roboimi::vla_agent
