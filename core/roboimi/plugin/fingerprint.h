// A plugin's fingerprint: the versions that it was built for, readable without opening the library.
//
//   ROBOIMI_PLUGIN_NOTE("my_backbone", "1.0.0")    // ROBOIMI_PLUGIN (plugin.h) contains this
//
// The macro puts a PluginNote of fixed size into the section `.note.roboimi`. It needs no
// relocations and is kept by strip and --gc-sections. The loader reads it from the file and
// compares it with host_fingerprint() before any code of the plugin runs. Without this check, a
// plugin built for another libtorch would fail inside dlopen with an unreadable symbol name, and
// one built with a sanitizer would end the process.
//
// These must match: the plugin API version, the version of libtorch, the C++ ABI and the sanitizer.
// The compiler is only shown in errors: gcc and clang agree on the ABI named here.
#pragma once

#include <torch/version.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <version>

#include "roboimi/common/error.h"
#include "roboimi/common/export.h"

namespace roboimi {

// Incremented whenever a type shared by plugins and the core changes its layout or meaning.
inline constexpr std::uint32_t kPluginApiVersion = 4;

inline constexpr char kNoteOwner[8] = "roboimi";
inline constexpr std::uint32_t kNoteType = 1;
inline constexpr char kFingerprintMagic[8] = {'r', 'b', 'i', 'm', 'i', 'p', 'l', 'g'};

// The content of the note. The first sixteen bytes have the same layout in all versions: they show
// whether the rest can be read. Strings end with a zero byte.
struct Fingerprint {
  char magic[8];
  std::uint32_t size;  // sizeof(Fingerprint)
  std::uint32_t api_version;
  std::uint32_t checksum_kind;  // 0: the library has no checksum; 1: SHA-256 (checksum.h)
  char plugin_name[64];
  char plugin_version[32];
  char torch_version[32];
  char compiler[64];
  char cxx_abi[64];
  char sanitizer[32];
  // Written after linking, see checksum.h.
  std::uint32_t run_path_offset, run_path_size;  // bytes of the file that installing may change
  char checksum[64];                             // hexadecimal digits
};

// An ELF note: the fields of Elf64_Nhdr, the owner's name, the content.
struct PluginNote {
  std::uint32_t owner_size;
  std::uint32_t content_size;
  std::uint32_t type;
  char owner[8];
  Fingerprint content;
};
static_assert(sizeof(Fingerprint) == 380 && sizeof(PluginNote) == 20 + 380);

#define ROBOIMI_TEXT_OF(x) #x
#define ROBOIMI_TEXT(x) ROBOIMI_TEXT_OF(x)

#if defined(__clang__)
#define ROBOIMI_COMPILER "clang " __clang_version__
#else
#define ROBOIMI_COMPILER "gcc " __VERSION__
#endif

#if defined(_LIBCPP_VERSION)
#define ROBOIMI_CXX_ABI "libc++ abi " ROBOIMI_TEXT(_LIBCPP_ABI_VERSION)
#elif defined(_GLIBCXX_DEBUG)
#define ROBOIMI_CXX_ABI "libstdc++ debug containers, cxx11 " ROBOIMI_TEXT(_GLIBCXX_USE_CXX11_ABI)
#else
#define ROBOIMI_CXX_ABI "libstdc++ cxx11 " ROBOIMI_TEXT(_GLIBCXX_USE_CXX11_ABI)
#endif

#if defined(__has_feature)
#define ROBOIMI_HAS_FEATURE(x) __has_feature(x)
#else
#define ROBOIMI_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || ROBOIMI_HAS_FEATURE(address_sanitizer)
#define ROBOIMI_SANITIZER "address"
#elif defined(__SANITIZE_THREAD__) || ROBOIMI_HAS_FEATURE(thread_sanitizer)
#define ROBOIMI_SANITIZER "thread"
#elif ROBOIMI_HAS_FEATURE(memory_sanitizer)
#define ROBOIMI_SANITIZER "memory"
#else
#define ROBOIMI_SANITIZER "none"
#endif

namespace detail {

// Copies a string into a field and pads it with zeros. A string that is too long does not compile.
template <std::size_t kField, std::size_t kText>
constexpr void set_text(char (&field)[kField], const char (&text)[kText]) {
  static_assert(kText <= kField, "a plugin's name or version is too long for its note");
  for (std::size_t i = 0; i < kField; ++i) field[i] = i < kText ? text[i] : '\0';
}

// The same, but truncates a string that is too long: the compiler's version has no length limit.
template <std::size_t kField, std::size_t kText>
constexpr void set_cut_text(char (&field)[kField], const char (&text)[kText]) {
  for (std::size_t i = 0; i < kField; ++i) field[i] = i + 1 < kField && i < kText ? text[i] : '\0';
}

template <std::size_t kName, std::size_t kVersion>
constexpr Fingerprint make_fingerprint(const char (&name)[kName], const char (&version)[kVersion]) {
  Fingerprint f{};
  for (std::size_t i = 0; i < sizeof(f.magic); ++i) f.magic[i] = kFingerprintMagic[i];
  f.size = sizeof(Fingerprint);
  f.api_version = kPluginApiVersion;
  set_text(f.plugin_name, name);
  set_text(f.plugin_version, version);
  set_text(f.torch_version, TORCH_VERSION);
  set_cut_text(f.compiler, ROBOIMI_COMPILER);
  set_text(f.cxx_abi, ROBOIMI_CXX_ABI);
  set_text(f.sanitizer, ROBOIMI_SANITIZER);
  return f;
}

template <std::size_t kName, std::size_t kVersion>
constexpr PluginNote make_plugin_note(const char (&name)[kName], const char (&version)[kVersion]) {
  PluginNote note{};
  note.owner_size = sizeof(note.owner);
  note.content_size = sizeof(Fingerprint);
  note.type = kNoteType;
  for (std::size_t i = 0; i < sizeof(note.owner); ++i) note.owner[i] = kNoteOwner[i];
  note.content = make_fingerprint(name, version);
  return note;
}

}  // namespace detail

// The fingerprint of the running roboimi.
ROBOIMI_EXPORT const Fingerprint& host_fingerprint();

// The plugin's name in a fingerprint that check_fingerprint() accepted.
ROBOIMI_EXPORT std::string plugin_name_of(const Fingerprint& fingerprint);

// Compares the content of a note with a host. Returns the fingerprint if the host can open the
// plugin. Otherwise sets `problem` to the difference, what was expected and found, and what to do.
ROBOIMI_EXPORT std::optional<Fingerprint> check_fingerprint(std::span<const std::uint8_t> content,
                                                            const Fingerprint& host,
                                                            Error::Parts& problem);

}  // namespace roboimi

// Because of its name, compilers and assemblers give the section the type SHT_NOTE, which linkers
// keep.
#define ROBOIMI_PLUGIN_NOTE(plugin_name, plugin_version)                           \
  [[gnu::section(".note.roboimi"), gnu::used,                                      \
    gnu::aligned(4)]] static constexpr ::roboimi::PluginNote roboimi_plugin_note = \
      ::roboimi::detail::make_plugin_note(plugin_name, plugin_version);
