// The frames of a video of an episode: all cameras side by side, and below them the curves of
// states and actions with a cursor at the current row.
//
//   const std::vector<CurvePanel> panels = curve_panels(*dataset, episode);
//   const EpisodeFilm film({{"front", {480, 640}}}, panels);
//   video.add(film.frame({image}, row));
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "roboimi/contract/dataset.h"
#include "roboimi/io/image.h"

namespace roboimi::app {

// The curves of one dimension.
struct CurvePanel {
  std::string title;
  std::vector<double> state, action;  // [L] each; one of them may be empty

  bool has_values() const;  // finite ones
  // The range of the finite values of both; (0, 0) without any.
  std::pair<double, double> range() const;
  // The range of the drawing, which is widened if they are constant.
  std::pair<double, double> drawn_range() const;
  // "-1.5 .. 2", "0.25, constant", or "no finite values".
  std::string range_text() const;
};

// The panels of an episode: state and action of the same dimension in one panel if there are
// equally many, else one panel each.
std::vector<CurvePanel> curve_panels(const Dataset& dataset, std::int64_t episode);

// A depth image [H, W] in meters as shades of gray: near is bright, unknown is black.
at::Tensor shaded_depth(const at::Tensor& meters);

class EpisodeFilm {
 public:
  struct View {
    std::string name;
    ImageSize size;
  };
  // At most kMostPanels of the panels are drawn. Throws Error if there is nothing to show.
  EpisodeFilm(std::vector<View> views, const std::vector<CurvePanel>& panels);

  ImageSize size() const;  // of a frame
  // The height of the part with the cameras, in pixels; 0 without cameras.
  std::int64_t view_height() const { return view_height_; }
  // uint8 [H, W, 3]. `images`: one RGB image [h, w, 3] per view, in their order.
  at::Tensor frame(const std::vector<at::Tensor>& images, std::int64_t row) const;

  static constexpr std::size_t kMostPanels = 32;

 private:
  void draw_panel(std::size_t index, const CurvePanel& panel);
  std::int64_t panel_left(std::size_t index) const;
  std::int64_t panel_top(std::size_t index) const;

  std::vector<View> views_;
  std::vector<std::int64_t> view_widths_;
  std::int64_t view_height_ = 0, views_left_ = 0;
  std::int64_t columns_ = 1, panel_width_ = 0;
  std::size_t num_panels_ = 0;
  std::int64_t num_rows_ = 0;
  at::Tensor background_;  // with the curves, without images and cursors
};

}  // namespace roboimi::app
