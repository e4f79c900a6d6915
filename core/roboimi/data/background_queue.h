// A queue of tasks that run in order on a background thread. Internal; not installed.
//
//   BackgroundQueue writer(/*limit=*/2);
//   for (...) writer.push([block] { append(block); });   // waits while two tasks are waiting
//   writer.finish();                                     // all tasks are done
//
// After an exception in a task, later tasks are dropped, and push() and finish() rethrow it. The
// destructor also waits for the tasks.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace roboimi {

class BackgroundQueue {
 public:
  explicit BackgroundQueue(std::size_t limit) : limit_(limit), thread_([this] { work(); }) {}

  ~BackgroundQueue() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  BackgroundQueue(const BackgroundQueue&) = delete;
  BackgroundQueue& operator=(const BackgroundQueue&) = delete;

  void push(std::function<void()> task) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return tasks_.size() < limit_ || error_; });
    if (error_) std::rethrow_exception(error_);
    tasks_.push_back(std::move(task));
    changed_.notify_all();
  }

  void finish() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return (tasks_.empty() && !is_running_) || error_; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      is_running_ = true;
      lock.unlock();
      changed_.notify_all();
      std::exception_ptr error;
      try {
        task();
      } catch (...) {
        error = std::current_exception();
      }
      task = nullptr;
      lock.lock();
      is_running_ = false;
      if (error) {
        error_ = error;
        tasks_.clear();
      }
      changed_.notify_all();
    }
  }

  std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::exception_ptr error_;
  bool is_running_ = false, stopping_ = false;
  std::thread thread_;  // last, so that it starts after the other members are constructed
};

}  // namespace roboimi
