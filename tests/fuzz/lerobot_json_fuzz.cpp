// Fuzzes the readers of LeRobot's JSON files: any text must give an Error or plausible values. An
// input is meta/info.json, a zero byte, meta/episodes.jsonl, a zero byte, and meta/tasks.jsonl.
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "plugins/lerobot_dataset/episode_table.h"
#include "plugins/lerobot_dataset/task_table.h"
#include "roboimi/common/error.h"

namespace {

namespace fs = std::filesystem;
using namespace roboimi::lerobot_dataset;

// The folder of a dataset that has only these files.
class Folder {
 public:
  Folder() {
    std::string pattern = fs::temp_directory_path() / "roboimi_fuzz_XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
    fs::create_directories(path_ / "meta");
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }
  void write(const char* name, std::string_view text) const {
    std::ofstream(path_ / "meta" / name, std::ios::binary) << text;
  }

 private:
  fs::path path_;
};

const PathFields kFields{.numbers = {{"chunk_index", 0},
                                     {"file_index", 1999},
                                     {"episode_chunk", 12},
                                     {"episode_index", 12345678}},
                         .video_key = "observation.images.front"};

std::string_view take_part(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\0'), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const InfoFile& info) {
  require(std::isfinite(info.fps) && info.fps > 0.0);
  require(info.chunks_size > 0);
  for (const Feature& feature : info.features) {
    require(feature.width() >= 0);
    require(!feature.described().empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  folder.write("info.json", take_part(rest));
  folder.write("episodes.jsonl", take_part(rest));
  folder.write("tasks.jsonl", take_part(rest));
  try {
    const InfoFile info = read_info(folder.path());
    check(info);
    // The tables are read although one of them may be damaged.
    const auto attempt = [](const auto& read) {
      try {
        read();
      } catch (const roboimi::Error&) {
      }
    };
    attempt([&] { read_episode_table(info, {"observation.images.front"}); });
    attempt([&] { read_task_table(info); });
    for (const PathTemplate* path : {&info.data_path, &info.video_path}) {
      attempt([&] {
        const std::string formatted = path->format(kFields);
        const auto matched = path->match(formatted);
        require(!matched || path->format(*matched) == formatted);
      });
    }
  } catch (const roboimi::Error&) {
  }
  return 0;
}
