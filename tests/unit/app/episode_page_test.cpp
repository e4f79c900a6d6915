// Tests of the video frames and the web page of an episode.
#include "app/episode_page.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "roboimi/common/base64.h"
#include "tests/error_text.h"
#include "tests/unit/app/rows_dataset.h"

namespace roboimi::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::shared_ptr<RowsDataset> one_episode(std::int64_t action_dim) {
  return std::make_shared<RowsDataset>(
      ObservationSpec{.streams = {vector_stream(kState, 2, "", {"elbow", "wrist"})},
                      .action_dim = action_dim},
      std::vector<RowsDataset::Episode>{
          {.rows = {{kState, at::eye(3).slice(1, 0, 2)}}, .actions = at::ones({3, action_dim})}});
}

TEST(CurvePanels, ShowStateAndActionOfADimensionTogether) {
  const auto panels = curve_panels(*one_episode(2), 0);
  ASSERT_EQ(panels.size(), 2U);
  EXPECT_EQ(panels[1].title, "wrist");
  EXPECT_THAT(panels[1].state, ElementsAre(0, 1, 0));
  EXPECT_THAT(panels[1].action, ElementsAre(1, 1, 1));
  EXPECT_EQ(panels[1].range(), std::pair(0.0, 1.0));
}

TEST(CurvePanels, ShowThemApartIfTheirSizesDiffer) {
  const auto panels = curve_panels(*one_episode(3), 0);
  ASSERT_EQ(panels.size(), 5U);
  EXPECT_EQ(panels[4].title, "action 2");
  EXPECT_TRUE(panels[4].state.empty());
  EXPECT_EQ(panels[4].range(), std::pair(1.0, 1.0));
  EXPECT_EQ(panels[4].drawn_range(), std::pair(0.5, 1.5));
  EXPECT_EQ(panels[4].range_text(), "1, constant");
}

TEST(CurvePanels, IgnoreValuesThatAreNotFinite) {
  EXPECT_EQ((CurvePanel{.title = "", .state = {kNaN, 2, 5}, .action = {kNaN}}).range(),
            std::pair(2.0, 5.0));
  EXPECT_EQ((CurvePanel{.title = "", .state = {kNaN, 2, 5}, .action = {}}).range_text(), "2 .. 5");
  const CurvePanel empty{.title = "", .state = {kNaN}, .action = {}};
  EXPECT_EQ(empty.drawn_range(), std::pair(-0.5, 0.5));
  EXPECT_EQ(empty.range_text(), "no finite values");
}

TEST(EpisodeFilms, ShowCamerasAboveCurvesWithAMovingCursor) {
  const std::vector<CurvePanel> panels = {{.title = "elbow", .state = {0, 1, 2}, .action = {}}};
  const EpisodeFilm film({{"front", {12, 16}}, {"top", {12, 12}}}, panels);
  EXPECT_EQ(film.size().width, 640);
  const std::vector<at::Tensor> images = {at::full({12, 16, 3}, 100, at::kByte),
                                          at::full({12, 12, 3}, 200, at::kByte)};
  const at::Tensor first = film.frame(images, 0), last = film.frame(images, 2);
  EXPECT_EQ(film.view_height(), 274);
  EXPECT_EQ(first[200][360][0].item<int>(), 100);  // front: 365 pixels wide
  EXPECT_EQ(first[200][370][0].item<int>(), 200);
  EXPECT_TRUE(first.slice(0, 0, 274).equal(last.slice(0, 0, 274)));
  // The cursor is in the first and then in the last column of the plot.
  const auto column_of_cursor = [](const at::Tensor& frame) {
    const at::Tensor row = frame[330];
    return row.select(1, 0).eq(200).logical_and(row.select(1, 1).eq(30)).nonzero();
  };
  ASSERT_EQ(column_of_cursor(first).numel(), 1);
  ASSERT_EQ(column_of_cursor(last).numel(), 1);
  EXPECT_EQ(column_of_cursor(first).item<int>(), 52);
  EXPECT_EQ(column_of_cursor(last).item<int>(), 320 - 10 - 1);
}

TEST(EpisodeFilms, FitTheNumberAndTheAspectOfTheCameras) {
  const std::vector<CurvePanel> panels = {{.title = "elbow", .state = {0, 1, 2}, .action = {}}};
  const auto frame_of = [&](const std::vector<EpisodeFilm::View>& views) {
    const EpisodeFilm film(views, panels);
    std::vector<at::Tensor> images;
    for (const EpisodeFilm::View& view : views) {
      images.push_back(at::full({view.size.height, view.size.width, 3}, 100, at::kByte));
    }
    return film.frame(images, 0).slice(0, 20, film.view_height());  // below the names
  };
  // The images fill the frame.
  const at::Tensor two = frame_of({{"front", {84, 84}}, {"wrist", {84, 84}}});
  EXPECT_THAT(two.sizes(), ElementsAre(300, 640, 3));
  const at::Tensor one = frame_of({{"front", {84, 84}}});
  EXPECT_THAT(one.sizes(), ElementsAre(460, 480, 3));
  const at::Tensor wide = frame_of({{"left", {90, 160}}, {"right", {90, 160}}});
  EXPECT_THAT(wide.sizes(), ElementsAre(220, 854, 3));
  for (const at::Tensor& frame : {two, one, wide}) EXPECT_TRUE(frame.eq(100).all().item<bool>());
  // A tall one is in the middle.
  const at::Tensor tall = frame_of({{"head", {160, 90}}});
  EXPECT_THAT(tall.sizes(), ElementsAre(460, 460, 3));
  EXPECT_EQ(tall[0][94][0].item<int>(), 255);
  EXPECT_EQ(tall[0][95][0].item<int>(), 100);
  EXPECT_EQ(tall[0][364][0].item<int>(), 100);
}

TEST(EpisodeFilms, ShowDepthAsShades) {
  const at::Tensor shades = shaded_depth(at::tensor({0.0F, 0.25F, 4.0F}).reshape({1, 3}));
  EXPECT_THAT(shades.sizes(), ElementsAre(1, 3, 3));
  EXPECT_EQ(shades[0][0][0].item<int>(), 0);
  EXPECT_EQ(shades[0][1][1].item<int>(), 204);
  EXPECT_EQ(shades[0][2][2].item<int>(), 51);
}

TEST(EpisodeFilms, NeedSomethingToShow) {
  EXPECT_THAT(error_text([] { EpisodeFilm({}, {}); }), HasSubstr("there is nothing to show"));
}

TEST(EpisodePages, AreSelfContained) {
  const std::string page = episode_page(
      {.title = "a <b>",
       .facts = {{"task", "put \"x\" & y"}},
       .video = "foobar",
       .shown = {240, 640},
       .fps = 12.5,
       .num_rows = 4,
       .panels = {{.title = "elbow", .state = {0, kNaN, 1, 2}, .action = {2, 1, 1, 0}}}});
  EXPECT_THAT(page,
              AllOf(HasSubstr("<h1>a &lt;b&gt;</h1>"), HasSubstr("put &quot;x&quot; &amp; y"),
                    HasSubstr("src=\"data:video/mp4;base64,Zm9vYmFy\""),
                    HasSubstr("aspect-ratio: 640 / 240; max-width: calc(70vh * 640 / 240)"),
                    HasSubstr("const fps = 12.5, rows = 4;"), HasSubstr("viewBox=\"0 0 3 100\""),
                    HasSubstr("prefers-color-scheme: dark")));
  // NaN splits the curve of the state.
  EXPECT_THAT(page, AllOf(HasSubstr("class=\"state\" points=\"0,97.00\""),
                          HasSubstr("class=\"state\" points=\"2,50.00 3,3.00\""),
                          HasSubstr("class=\"action\" points=\"0,3.00 1,50.00 2,50.00 3,97.00\"")));
  // Nothing is loaded from elsewhere.
  EXPECT_THAT(page, AllOf(Not(HasSubstr("http")), Not(HasSubstr("<link")), Not(HasSubstr("nan"))));
}

TEST(EpisodePages, EncodeBytesInBase64) {
  // RFC 4648, section 10.
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64(std::string("\xff\x00\xfe", 3)), "/wD+");
}

}  // namespace
}  // namespace roboimi::app
