#include "suite/report_media.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "roboimi/common/files.h"
#include "suite/report_chart.h"

namespace roboimi {
namespace {

constexpr std::uintmax_t kLargestFile = 4 << 20, kLargestPage = 24 << 20;

std::string base64(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

}  // namespace

std::string EmbeddedMedia::element(const std::filesystem::path& file, const std::string& caption) {
  const std::string words = html_text(caption);
  const std::uintmax_t size = std::filesystem::file_size(file);
  if (size > kLargestFile || embedded_ + size > kLargestPage) {
    return fmt::format(
        "<figure><figcaption>{}: {:.1f} MB, left out: <code>{}</code></figcaption>"
        "</figure>\n",
        words, static_cast<double>(size) / (1 << 20), html_text(file.string()));
  }
  embedded_ += size;
  const std::string data = base64(read_text(file));
  if (file.extension() == ".mp4") {
    return fmt::format(
        "<figure><video controls muted loop preload='metadata' "
        "src='data:video/mp4;base64,{}'></video><figcaption>{}</figcaption></figure>\n",
        data, words);
  }
  return fmt::format(
      "<figure><img alt='{1}' src='data:image/png;base64,{0}'><figcaption>{1}"
      "</figcaption></figure>\n",
      data, words);
}

}  // namespace roboimi
