#include "roboimi/rollout/thread_team.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "roboimi/common/error.h"

namespace roboimi {

ThreadTeam::ThreadTeam(std::int64_t size) {
  ROBOIMI_CHECK(size >= 1, "a team needs a thread");
  try {
    for (std::int64_t i = 1; i < size; ++i) threads_.emplace_back([this] { serve(); });
  } catch (const std::system_error&) {
    // The limit of threads is reached: the team works with those it has.
  }
}

ThreadTeam::~ThreadTeam() {
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
  }
  begin_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::run(std::size_t count, const std::function<void(std::size_t)>& task) {
  {
    const std::lock_guard lock(mutex_);
    task_ = &task;
    errors_.assign(count, nullptr);
    next_ = 0;
    busy_ = threads_.size();
    ++round_;
  }
  begin_.notify_all();
  work();
  std::unique_lock lock(mutex_);
  end_.wait(lock, [this] { return busy_ == 0; });
  for (const std::exception_ptr& error : errors_) {
    if (error) std::rethrow_exception(error);
  }
}

// A thread's life: it takes part in every round.
void ThreadTeam::serve() {
  const at::NoGradGuard no_grad;
  at::set_num_threads(1);
  std::unique_lock lock(mutex_);
  for (std::uint64_t seen = 0;;) {
    begin_.wait(lock, [&] { return stops_ || round_ != seen; });
    if (stops_) return;
    seen = round_;
    lock.unlock();
    work();
    lock.lock();
    if (--busy_ == 0) end_.notify_one();
  }
}

// Takes tasks until none is left.
void ThreadTeam::work() {
  for (std::size_t i = next_++; i < errors_.size(); i = next_++) {
    try {
      (*task_)(i);
    } catch (...) {
      errors_[i] = std::current_exception();
    }
  }
}

}  // namespace roboimi
