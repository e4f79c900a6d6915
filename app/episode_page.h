// A web page of an episode in one file: its video, and the curves of states and actions with a
// cursor that follows the video. Nothing is loaded from elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "app/episode_film.h"

namespace roboimi::app {

struct EpisodePage {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;  // shown as "name: value"
  std::string video;                                       // bytes of an MP4
  ImageSize shown;  // the upper part of the video that is shown; the curves below it are cut off
  double fps = 20.0;
  std::int64_t num_rows = 0;  // a frame each
  std::vector<CurvePanel> panels;
};

std::string episode_page(const EpisodePage& page);

}  // namespace roboimi::app
