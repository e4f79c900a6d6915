// A prefetcher: computes the values of upcoming steps on background threads.
//
//   Prefetcher<Observation> images([&](std::int64_t step) { return gather(step); }, 2);
//   Observation now = images.get(step);   // steps step+1 and step+2 are being computed
//
// A value must depend only on its step. With several threads, the function must be safe to call
// from all of them at once. Steps may be requested in any order; out of order is slower
// but correct. An exception in the function is rethrown by get().
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace roboimi {

template <typename Value>
class Prefetcher {
 public:
  Prefetcher(std::function<Value(std::int64_t)> make, std::int64_t depth, std::int64_t threads = 1)
      : make_(std::move(make)), depth_(depth) {
    for (std::int64_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }

  ~Prefetcher() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  Value get(std::int64_t step) {
    std::unique_lock lock(mutex_);
    // Drop entries that a jump made useless, and request the next ones.
    std::erase_if(entries_, [&](const auto& entry) {
      return entry.first < step || entry.first > step + depth_;
    });
    for (std::int64_t next = step; next <= step + depth_; ++next) entries_.try_emplace(next);
    changed_.notify_all();
    changed_.wait(lock, [&] { return entries_.at(step).done(); });
    Entry entry = std::move(entries_.at(step));
    entries_.erase(step);
    if (entry.error) std::rethrow_exception(entry.error);
    return std::move(*entry.value);
  }

 private:
  struct Entry {
    std::optional<Value> value;
    std::exception_ptr error;
    bool is_started = false;
    bool done() const { return value.has_value() || error != nullptr; }
  };

  std::optional<std::int64_t> next_wanted() const {
    for (const auto& [step, entry] : entries_) {
      if (!entry.done() && !entry.is_started) return step;
    }
    return std::nullopt;
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stopping_ || next_wanted().has_value(); });
      if (stopping_) return;
      const std::int64_t step = *next_wanted();
      entries_.at(step).is_started = true;
      lock.unlock();
      Entry entry;
      try {
        entry.value = make_(step);
      } catch (...) {
        entry.error = std::current_exception();
      }
      lock.lock();
      if (const auto found = entries_.find(step); found != entries_.end()) {
        found->second = std::move(entry);
      }
      changed_.notify_all();
    }
  }

  std::function<Value(std::int64_t)> make_;
  std::int64_t depth_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::int64_t, Entry> entries_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace roboimi
