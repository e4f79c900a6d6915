#include "roboimi/testing/live_bytes.h"

#include <c10/core/CPUAllocator.h>

#include <mutex>
#include <unordered_map>

namespace roboimi::testing {
namespace {

// Forwards to the default allocator and counts. Never destroyed, because tensors that it allocated
// may be freed at any later time.
class CountingAllocator final : public c10::Allocator {
 public:
  static CountingAllocator& instance() {
    static auto* allocator = new CountingAllocator();
    return *allocator;
  }

  c10::DataPtr allocate(std::size_t size) override {
    c10::DataPtr data = former_->allocate(size);
    void* address = data.get();
    if (address == nullptr) return data;
    // raw_deleter() requires that the address is enough to free the memory, so drop the context.
    data.release_context();
    {
      const std::lock_guard lock(mutex_);
      sizes_[address] = size;
      live_ += static_cast<std::int64_t>(size);
    }
    return {address, address, &CountingAllocator::free, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &CountingAllocator::free; }
  void copy_data(void* to, const void* from, std::size_t count) const override {
    former_->copy_data(to, from, count);
  }

  std::int64_t live() const {
    const std::lock_guard lock(mutex_);
    return live_;
  }

 private:
  CountingAllocator() : former_(c10::GetDefaultCPUAllocator()) {}

  static void free(void* address) {
    CountingAllocator& self = instance();
    {
      const std::lock_guard lock(self.mutex_);
      if (const auto found = self.sizes_.find(address); found != self.sizes_.end()) {
        self.live_ -= static_cast<std::int64_t>(found->second);
        self.sizes_.erase(found);
      }
    }
    self.former_->raw_deallocate(address);
  }

  c10::Allocator* former_;
  mutable std::mutex mutex_;
  std::unordered_map<void*, std::size_t> sizes_;
  std::int64_t live_ = 0;
};

std::int64_t g_start = 0;
c10::Allocator* g_former = nullptr;

}  // namespace

LiveBytes::LiveBytes() {
  g_former = c10::GetCPUAllocator();
  g_start = CountingAllocator::instance().live();
  c10::SetCPUAllocator(&CountingAllocator::instance(), /*priority=*/255);
}

LiveBytes::~LiveBytes() { c10::SetCPUAllocator(g_former, /*priority=*/255); }

std::int64_t LiveBytes::count() const { return CountingAllocator::instance().live() - g_start; }

}  // namespace roboimi::testing
