// `roboimi data play`: a video and a page of one episode.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/data_command.h"
#include "app/data_source.h"
#include "app/episode_film.h"
#include "app/episode_page.h"
#include "app/interruptible.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/log.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/text.h"
#include "roboimi/data/checked_reads.h"
#include "roboimi/io/video.h"
#include "roboimi/track/progress.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr const char* kPlayForm = "roboimi data play PATH --episode N";
constexpr const char* kPlayUsage =
    R"(usage: roboimi data play PATH [--episode N] [--output DIR] [data.KEY=VALUE ...] [options]

Writes two files about an episode: an MP4 with all cameras side by side and the curves of states and
actions with a moving cursor below them, and a web page in one file with the same video and curves.

)";
constexpr const char* kPlayExample = R"(
example: roboimi data play data/sim_transfer --episode 3
)";
constexpr double kFallbackRate = 20.0;      // Hz, if the data does not record its rate
constexpr std::int64_t kRowsPerBlock = 32;  // read at once

po::options_description play_options() {
  po::options_description options("options");
  options.add_options()("episode", po::value<std::int64_t>()->default_value(0)->value_name("N"),
                        "position of the episode in the dataset, from 0")(
      "output", po::value<std::string>()->default_value("play")->value_name("DIR"),
      "folder of the files");
  add_data_options(options);
  return options;
}

// The cameras of an episode.
class EpisodeViews {
 public:
  EpisodeViews(const Dataset& dataset, std::int64_t episode)
      : dataset_(dataset), episode_(episode) {
    for (const StreamSpec& stream : dataset.spec().streams) {
      if (stream.is_image()) streams_.push_back(stream);
    }
  }

  std::vector<EpisodeFilm::View> views() const {
    std::vector<EpisodeFilm::View> views;
    for (const StreamSpec& stream : streams_) views.push_back({stream.name, stream.size()});
    return views;
  }

  // Rows [first, first + count) of every camera.
  std::vector<at::Tensor> read(std::int64_t first, std::int64_t count) const {
    std::vector<at::Tensor> rows;
    for (const StreamSpec& stream : streams_) {
      rows.push_back(read_stream(dataset_, episode_, stream.name, first, count));
    }
    return rows;
  }

  // One of these rows as RGB images.
  std::vector<at::Tensor> images(const std::vector<at::Tensor>& rows, std::int64_t index) const {
    std::vector<at::Tensor> images;
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      const at::Tensor image = rows[i][index];
      images.push_back(streams_[i].kind == StreamKind::kDepth
                           ? shaded_depth(depth_in_meters(image, streams_[i]))
                           : image);
    }
    return images;
  }

 private:
  const Dataset& dataset_;
  std::int64_t episode_;
  std::vector<StreamSpec> streams_;
};

std::int64_t chosen_episode(const Dataset& dataset, const po::variables_map& values) {
  const auto episode = values["episode"].as<std::int64_t>();
  if (episode >= 0 && episode < dataset.num_episodes()) return episode;
  throw Error({.what = "there is no such episode",
               .where = "--episode",
               .expected = fmt::format("from 0 to {}", dataset.num_episodes() - 1),
               .found = std::to_string(episode),
               .next = "see roboimi data info"});
}

double rate_of(const ObservationSpec& spec) {
  if (spec.control_hz > 0.0) return spec.control_hz;
  logger().warn("the control rate of the data is unknown: played at {} Hz (data.control_hz)",
                kFallbackRate);
  return kFallbackRate;
}

std::vector<std::pair<std::string, std::string>> facts_of(const Dataset& dataset,
                                                          std::int64_t episode) {
  const EpisodeInfo& info = dataset.episode(episode);
  const double hz = dataset.spec().control_hz;
  std::vector<std::pair<std::string, std::string>> facts = {
      {"rows", std::to_string(info.length)},
      {"rate", hz > 0.0 ? fmt::format("{:g} Hz", hz) : "unknown"},
      {"file", info.file.filename().string()}};
  if (info.seed) facts.emplace_back("seed", std::to_string(*info.seed));
  if (info.success) facts.emplace_back("success", *info.success ? "yes" : "no");
  for (const StreamSpec& stream : dataset.spec().streams) {
    if (stream.kind != StreamKind::kText) continue;
    facts.emplace_back(stream.name, text_of(read_stream(dataset, episode, stream.name, 0, 1)[0]));
  }
  return facts;
}

void film_episode(const EpisodeViews& views, const EpisodeFilm& film, std::int64_t length,
                  const StopRequest& stop, VideoWriter& video) {
  Progress progress("play", length);
  for (std::int64_t first = 0; first < length; first += kRowsPerBlock) {
    if (stop.requested()) throw Interrupted("interrupted");
    const std::int64_t count = std::min(kRowsPerBlock, length - first);
    const std::vector<at::Tensor> rows = views.read(first, count);
    for (std::int64_t i = 0; i < count; ++i) {
      video.add(film.frame(views.images(rows, i), first + i));
    }
    progress.update(first + count, "");
  }
  progress.clear();
}

struct PlayedFiles {
  fs::path video, page;
};

PlayedFiles write_episode_files(const DataSource& source, std::int64_t episode,
                                const fs::path& output, const StopRequest& stop) {
  const Dataset& dataset = *source.dataset;
  const std::int64_t length = dataset.episode(episode).length;
  const double fps = rate_of(dataset.spec());
  const EpisodeViews views(dataset, episode);
  const std::vector<CurvePanel> panels = curve_panels(dataset, episode);
  const EpisodeFilm film(views.views(), panels);
  const std::string name = fmt::format("episode_{:03}", episode);
  PlayedFiles files{.video = output / (name + ".mp4"), .page = output / (name + ".html")};
  fs::create_directories(output);
  std::error_code error;
  const bool is_replaced = fs::exists(files.page, error);
  // The video, which appears when it is complete.
  VideoWriter video(files.video, film.size(), fps);
  film_episode(views, film, length, stop, video);
  video.close();
  // The page. Without cameras it shows the whole video.
  const ImageSize shown{film.view_height() > 0 ? film.view_height() : film.size().height,
                        film.size().width};
  const fs::path data = source.path.has_filename() ? source.path : source.path.parent_path();
  const std::string title = fmt::format("{}, episode {}", data.filename().string(), episode);
  write_text_atomically(files.page, episode_page({.title = title,
                                                  .facts = facts_of(dataset, episode),
                                                  .video = read_text(files.video),
                                                  .shown = shown,
                                                  .fps = fps,
                                                  .num_rows = length,
                                                  .panels = panels}));
  if (is_replaced) {
    logger().info("replaced {}.mp4 and .html; --output names another folder",
                  (output / name).string());
  }
  return files;
}

}  // namespace

int data_play(const Arguments& words) {
  ParsedArguments parsed = parse_arguments(words, play_options());
  if (parsed.values.count("help") != 0) {
    std::cout << kPlayUsage << play_options() << kPlayExample;
    return EXIT_SUCCESS;
  }
  const std::string path = take_paths(parsed.words, 1, 1, kPlayForm).front();
  const fs::path output = parsed.values["output"].as<std::string>();
  require_writable_folder(output, "--output");
  // libtorch's threads busy-wait for each other, which makes operations on frames 20 times slower
  // on a busy machine.
  at::set_num_threads(1);
  const StopRequest stop;
  const DataSource source = open_data(path, parsed.values, parsed.words);
  const std::int64_t episode = chosen_episode(*source.dataset, parsed.values);
  return interruptible([&] {
    const PlayedFiles files = write_episode_files(source, episode, output, stop);
    if (parsed.values["json"].as<bool>()) {
      std::cout << json_text(nlohmann::ordered_json{{"video", files.video.string()},
                                                    {"page", files.page.string()}})
                << "\n";
    } else {
      std::cout << files.video.string() << "\n" << files.page.string() << "\n";
    }
  });
}

}  // namespace roboimi::app
