#include "roboimi/common/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <mutex>
#include <utility>

#include "roboimi/common/log_route.h"

namespace roboimi {
namespace {

LogLevel level_of(spdlog::level::level_enum level) {
  if (level <= spdlog::level::debug) return LogLevel::kDebug;
  if (level == spdlog::level::info) return LogLevel::kInfo;
  return level == spdlog::level::warn ? LogLevel::kWarning : LogLevel::kError;
}

// Passes messages to the program's handler, or to stderr if there is none.
class RoutedSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void route(LogHandler handler) {
    const std::lock_guard lock(mutex_);
    handler_ = std::move(handler);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (handler_) {
      handler_(level_of(message.level), {message.payload.data(), message.payload.size()});
    } else {
      stderr_.log(message);
    }
  }
  void flush_() override { stderr_.flush(); }
  void set_pattern_(const std::string& pattern) override { stderr_.set_pattern(pattern); }
  void set_formatter_(std::unique_ptr<spdlog::formatter> formatter) override {
    stderr_.set_formatter(std::move(formatter));
  }

 private:
  LogHandler handler_;
  spdlog::sinks::stderr_color_sink_mt stderr_;
};

struct Log {
  std::shared_ptr<RoutedSink> sink = std::make_shared<RoutedSink>();
  std::shared_ptr<spdlog::logger> logger = std::make_shared<spdlog::logger>("roboimi", sink);
};

// Never destroyed: a static object's destructor may log.
Log& the_log() {
  static Log* const log = new Log;
  return *log;
}

}  // namespace

spdlog::logger& logger() { return *the_log().logger; }

std::shared_ptr<spdlog::logger> shared_logger() { return the_log().logger; }

void set_log_handler(LogHandler handler) { the_log().sink->route(std::move(handler)); }

void set_log_level(LogLevel lowest) {
  using enum spdlog::level::level_enum;
  constexpr spdlog::level::level_enum kLevels[] = {debug, info, warn, err, off};
  logger().set_level(kLevels[static_cast<int>(lowest)]);
}

}  // namespace roboimi
