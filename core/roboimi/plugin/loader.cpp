#include "roboimi/plugin/loader.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/dll/shared_library.hpp>
#include <cstdlib>
#include <list>
#include <mutex>
#include <string>

#include "roboimi/common/files.h"
#include "roboimi/plugin/checksum.h"
#include "roboimi/plugin/note_reader.h"

namespace roboimi {
namespace {

constexpr char kDescriptorSymbol[] = "roboimi_plugin_descriptor";

// The symbol as written in C++, or unchanged if it is not a C++ name.
std::string demangled(const std::string& symbol) {
  int status = 0;
  char* text = abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status);
  std::string result = status == 0 && text != nullptr ? text : symbol;
  std::free(text);
  return result;
}

// The Error for a message of dlopen, with advice.
Error open_error(const std::string& message) {
  static const std::string kUndefined = "undefined symbol: ";
  const auto at = message.find(kUndefined);
  if (at != std::string::npos) {
    std::string symbol = message.substr(at + kUndefined.size());
    symbol = symbol.substr(0, symbol.find_first_of(" \t\n(,"));
    return Error({.what = "cannot be opened",
                  .expected = "every symbol in the plugin, roboimi, libtorch or a library that the "
                              "plugin is linked with",
                  .found = "undefined symbol " + demangled(symbol),
                  .next = "link the library that defines it; -Wl,--no-undefined finds this at "
                          "build time"});
  }
  return Error({.what = "cannot be opened",
                .expected = "a library that the dynamic linker can open",
                .found = message,
                .next = "run `ldd` on the file to see the libraries that it needs"});
}

// A handle that is never released: a component, an exception or a static object of the plugin may
// outlive any owner. The list is never destroyed either, so that leak checkers still find the
// handles.
boost::dll::shared_library* new_library() {
  static auto* const libraries = new std::list<boost::dll::shared_library>;
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  return &libraries->emplace_back();
}

void check_descriptor(const PluginDescriptor& descriptor, const Fingerprint& fingerprint) {
  // Check the size first: it shows whether the layout is the one that this build expects.
  if (descriptor.size != sizeof(PluginDescriptor) || descriptor.api_version != kPluginApiVersion) {
    throw Error({.what = "its descriptor has the wrong size or API version",
                 .expected = fmt::format("{} bytes of API version {}", sizeof(PluginDescriptor),
                                         kPluginApiVersion),
                 .found = fmt::format("{} bytes of API version {}", descriptor.size,
                                      descriptor.api_version),
                 .next = "rebuild the plugin against this roboimi"});
  }
  const std::string name_in_note = plugin_name_of(fingerprint);
  const bool complete = descriptor.name != nullptr && descriptor.version != nullptr &&
                        descriptor.description != nullptr &&
                        descriptor.register_components != nullptr;
  if (!complete || descriptor.name != name_in_note) {
    throw Error({.what = "its descriptor does not match its note",
                 .expected = "the plugin " + name_in_note,
                 .found = complete ? descriptor.name : "a descriptor with empty fields",
                 .next = "use ROBOIMI_PLUGIN exactly once in a library, without another note or "
                         "descriptor"});
  }
}

}  // namespace

std::optional<FileIdentity> identity_of(const std::filesystem::path& file) {
  struct stat status = {};
  if (stat(file.c_str(), &status) != 0) return std::nullopt;
  return FileIdentity{
      static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino),
      static_cast<std::uint64_t>(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

Fingerprint check_plugin_file(const std::filesystem::path& file) {
  const MappedFile mapped(file);
  const elf::Bytes bytes(mapped.data(), mapped.size());
  Error::Parts problem;
  const auto note = find_plugin_note(bytes, problem);
  if (!note) throw Error(problem);
  const auto fingerprint = check_fingerprint(*note, host_fingerprint(), problem);
  if (!fingerprint) throw Error(problem);
  const auto view = elf::View::of(bytes, problem);
  if (!view || !checksum_agrees(*view, *fingerprint, problem)) throw Error(problem);
  return *fingerprint;
}

const PluginDescriptor& open_plugin(const std::filesystem::path& file,
                                    const Fingerprint& fingerprint) {
  // Open the library.
  boost::dll::shared_library* library = new_library();
  boost::system::error_code code;
  library->load(std::filesystem::absolute(file).string(), code,
                boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  if (code) {
    const char* message = dlerror();
    throw open_error(message != nullptr ? message : code.message());
  }
  // Find and check its descriptor.
  if (!library->has(kDescriptorSymbol)) {
    throw Error({.what = "has a note but no descriptor",
                 .expected = fmt::format("the exported symbol {}", kDescriptorSymbol),
                 .found = "a library without it",
                 .next = "use the macro ROBOIMI_PLUGIN, and export the symbol that it defines"});
  }
  const auto& descriptor = library->get<const PluginDescriptor>(kDescriptorSymbol);
  check_descriptor(descriptor, fingerprint);
  return descriptor;
}

Registrar collect_components(const PluginDescriptor& descriptor) {
  const auto failed = [](const std::string& found) {
    return Error({.what = "its register function failed",
                  .expected = "no exception",
                  .found = found,
                  .next = "fix the plugin: its register function must not do work that can fail"});
  };
  Registrar registrar;
  try {
    descriptor.register_components(registrar);
  } catch (const std::exception& error) {
    throw failed(one_line_message(error));
  } catch (...) {
    throw failed("an exception that is not a std::exception");
  }
  return registrar;
}

}  // namespace roboimi
