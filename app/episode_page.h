// A web page of an episode in one file: its video, and the curves of states and actions with a
// cursor that follows the video. Nothing is loaded from elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
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

// The characters & < > " ' as entities, and control characters as spaces.
std::string escape_html(std::string_view text);

// RFC 4648, with padding.
std::string base64(std::string_view bytes);

}  // namespace roboimi::app
