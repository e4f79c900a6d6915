#include "roboimi/plugin/fingerprint.h"

#include <fmt/format.h>

#include <cstring>

namespace roboimi {
namespace {

// Magic, size and API version: the part of a fingerprint that has the same layout in all versions.
constexpr std::size_t kFixedSize = offsetof(Fingerprint, checksum_kind);

// A field up to its zero byte, or all of it if there is none. Non-printable bytes become '?'.
template <std::size_t kField>
std::string text_of_field(const char (&field)[kField]) {
  std::string text(field, strnlen(field, kField));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  }
  return text;
}

std::string rebuild_advice(const Fingerprint& host) {
  return fmt::format("rebuild the plugin against this roboimi (libtorch {}, {})",
                     text_of_field(host.torch_version), text_of_field(host.compiler));
}

Error::Parts api_problem(std::uint32_t found, const Fingerprint& host) {
  const bool older = found < host.api_version;
  return {.what = older ? "built for an older roboimi" : "built for a newer roboimi",
          .expected = fmt::format("plugin API version {}", host.api_version),
          .found = fmt::format("version {}", found),
          .next = older ? rebuild_advice(host) : "update roboimi, or " + rebuild_advice(host)};
}

// The first difference between fields that must match; empty if there is none.
std::optional<Error::Parts> difference(const Fingerprint& plugin, const Fingerprint& host) {
  if (text_of_field(plugin.torch_version) != text_of_field(host.torch_version)) {
    return Error::Parts{.what = "built for another libtorch",
                        .expected = "libtorch " + text_of_field(host.torch_version),
                        .found = "libtorch " + text_of_field(plugin.torch_version),
                        .next = rebuild_advice(host)};
  }
  if (text_of_field(plugin.cxx_abi) != text_of_field(host.cxx_abi)) {
    return Error::Parts{.what = "built for another C++ ABI",
                        .expected = text_of_field(host.cxx_abi),
                        .found = fmt::format("{} ({})", text_of_field(plugin.cxx_abi),
                                             text_of_field(plugin.compiler)),
                        .next = rebuild_advice(host)};
  }
  if (text_of_field(plugin.sanitizer) != text_of_field(host.sanitizer)) {
    return Error::Parts{.what = "built with another sanitizer",
                        .expected = "sanitizer " + text_of_field(host.sanitizer),
                        .found = "sanitizer " + text_of_field(plugin.sanitizer),
                        .next = "rebuild the plugin with the preset roboimi was built with"};
  }
  return std::nullopt;
}

}  // namespace

const Fingerprint& host_fingerprint() {
  static constexpr Fingerprint kHost = detail::make_fingerprint("", "");
  return kHost;
}

std::string plugin_name_of(const Fingerprint& fingerprint) {
  return text_of_field(fingerprint.plugin_name);
}

std::optional<Fingerprint> check_fingerprint(std::span<const std::uint8_t> content,
                                             const Fingerprint& host, Error::Parts& problem) {
  Fingerprint plugin{};
  const std::size_t size = std::min(content.size(), sizeof(plugin));
  if (size > 0) std::memcpy(&plugin, content.data(), size);
  if (size < kFixedSize || std::memcmp(plugin.magic, host.magic, sizeof(plugin.magic)) != 0) {
    problem = {.what = "its roboimi note is damaged",
               .expected = "the magic bytes of a plugin's fingerprint",
               .found = size < kFixedSize ? fmt::format("a note of {} bytes", content.size())
                                          : "other bytes",
               .next = "rebuild the plugin with the macro ROBOIMI_PLUGIN"};
    return std::nullopt;
  }
  // Checked before the size, which may differ in an older or newer fingerprint.
  if (plugin.api_version != host.api_version) {
    problem = api_problem(plugin.api_version, host);
    return std::nullopt;
  }
  if (plugin.size != sizeof(plugin) || content.size() != sizeof(plugin)) {
    problem = {
        .what = "its roboimi note has the wrong size",
        .expected = fmt::format("{} bytes", sizeof(plugin)),
        .found = fmt::format("{} bytes, with a size field of {}", content.size(), plugin.size),
        .next = "rebuild the plugin with the macro ROBOIMI_PLUGIN"};
    return std::nullopt;
  }
  if (auto different = difference(plugin, host)) {
    problem = std::move(*different);
    return std::nullopt;
  }
  if (plugin_name_of(plugin).empty()) {
    problem = {.what = "its roboimi note has no plugin name",
               .next = "name the plugin in ROBOIMI_PLUGIN(name, version, description)"};
    return std::nullopt;
  }
  return plugin;
}

}  // namespace roboimi
