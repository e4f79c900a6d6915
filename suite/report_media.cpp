#include "suite/report_media.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "roboimi/common/base64.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/io/image.h"
#include "suite/report_chart.h"

namespace roboimi {
namespace {

constexpr std::uintmax_t kLargestFile = 4 << 20, kLargestPage = 24 << 20;

// A small JPEG of the image as a data URI; empty if it cannot be read.
std::string poster(const std::filesystem::path& image) {
  constexpr std::int64_t kWidth = 480;
  constexpr int kQuality = 80;
  try {
    const at::Tensor pixels = read_png(image);
    const std::int64_t height = std::max<std::int64_t>(1, pixels.size(0) * kWidth / pixels.size(1));
    const std::vector<std::uint8_t> jpeg =
        encode_jpeg(resize_image(pixels, height, kWidth), kQuality);
    return "data:image/jpeg;base64," +
           base64({reinterpret_cast<const char*>(jpeg.data()), jpeg.size()});
  } catch (const Error&) {
    return "";
  }
}

std::string left_out(const std::filesystem::path& file) {
  const auto megabytes = static_cast<double>(std::filesystem::file_size(file)) / (1 << 20);
  return fmt::format("<figcaption>{:.1f} MB, not embedded: <code>{}</code></figcaption>", megabytes,
                     html_text(file.string()));
}

}  // namespace

bool EmbeddedMedia::has_room_for(std::uintmax_t size) const {
  return size <= kLargestFile && total_ + size <= kLargestPage;
}

std::string EmbeddedMedia::embedded(const std::filesystem::path& file) {
  const std::string bytes = read_text(file);
  total_ += bytes.size();
  return base64(bytes);
}

std::string EmbeddedMedia::figure(const EpisodeMedia& media, const std::string& caption) {
  const std::string text = html_text(caption);
  const auto fits = [this](const std::optional<std::filesystem::path>& file) {
    return file && has_room_for(std::filesystem::file_size(*file));
  };
  const bool shows_video = fits(media.video);
  const bool shows_image = !shows_video && fits(media.image);
  std::string html = "<figure>";
  if (shows_video) {
    const std::string image = media.image ? poster(*media.image) : "";
    total_ += image.size();
    html += fmt::format(
        "<video controls muted loop preload='{}'{} src='data:video/mp4;base64,{}'></video>",
        image.empty() ? "metadata" : "none", image.empty() ? "" : " poster='" + image + "'",
        embedded(*media.video));
  } else if (shows_image) {
    html +=
        fmt::format("<img alt='{}' src='data:image/png;base64,{}'>", text, embedded(*media.image));
  }
  html += "<figcaption>" + text + "</figcaption>";
  if (media.video && !shows_video) html += left_out(*media.video);
  if (!media.video && !shows_image) html += left_out(*media.image);
  return html + "</figure>\n";
}

}  // namespace roboimi
