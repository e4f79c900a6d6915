// The direction of dependencies, read from the sources: plugins -> modules -> core and
// app -> suite -> core, and inside core from the upper folders to the lower ones. No plugin
// includes another, and core names no plugin, no simulator and no dataset format.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <regex>
#include <set>

#include "roboimi/common/files.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = ROBOIMI_SOURCE_DIR;

// Names that only plugins may use, in include lines, identifiers and CMake files.
const char* const kForeign[] = {"mujoco", "hdf5", "h5cpp", "egl/", "osmesa", "gym", "lerobot"};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// "core/FOLDER", "modules", "plugins/NAME", "suite" or "app": the part of the tree that a path
// belongs to.
std::string part_of(const std::string& path) {
  const fs::path parts(path);
  auto part = parts.begin();
  if (part == parts.end()) return "";
  std::string first = part->string();
  // "core/roboimi/io/x.cpp" as a file, "roboimi/io/x.h" as an include line.
  if (first == "core" && ++part != parts.end()) first = part->string();
  if (first == "roboimi") first = "core";
  if (first != "plugins" && first != "core") return first;
  return ++part == parts.end() ? first : first + "/" + part->string();
}

// The folders of core, and what each may include beside itself and what those include.
const std::map<std::string, std::set<std::string>> kBelow = {
    {"common", {}},
    {"config", {"common"}},
    {"contract", {"config"}},
    {"plugin", {"contract"}},
    {"io", {"contract"}},
    {"track", {"config"}},
    {"testing", {"io"}},
    {"data", {"plugin", "io"}},
    {"checkpoint", {"plugin", "io"}},
    {"deploy", {"checkpoint"}},
    {"rollout", {"data"}},
    {"train", {"rollout", "checkpoint", "track"}}};

bool lies_below(const std::string& folder, const std::string& lower) {
  const auto row = kBelow.find(folder);
  if (row == kBelow.end()) return false;
  return std::ranges::any_of(row->second, [&](const std::string& next) {
    return next == lower || lies_below(next, lower);
  });
}

// The folders of core that plugins may include.
const std::set<std::string> kForPlugins = {"common", "config", "contract", "io", "plugin"};

// Why `file` may not include `header`; empty when it may.
std::string violation(const std::string& file, const std::string& header) {
  const std::string from = part_of(file), to = part_of(header);
  if (to == from) return "";
  if (to.starts_with("core/")) {
    const std::string folder = to.substr(5);
    if (from.starts_with("core/") && lies_below(from.substr(5), folder)) return "";
    if (from == "app" || from == "suite") return "";
    const bool is_part = from.starts_with("plugins/") || from == "modules";
    if (is_part && kForPlugins.contains(folder)) return "";
  }
  if (from.starts_with("plugins/") && to == "modules") return "";
  if (from == "app" && to == "suite") return "";
  return from + " includes " + header;
}

struct Source {
  std::string path;  // from the root
  std::string text;
};

std::vector<Source> sources_in(const std::string& folder, const std::regex& names) {
  std::vector<Source> sources;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
    const std::string path = fs::relative(entry.path(), kRoot).string();
    if (!entry.is_regular_file() || !std::regex_search(path, names)) continue;
    sources.push_back({path, read_text(entry.path())});
  }
  return sources;
}

const std::regex kCode(R"(\.(h|hpp|cpp|cc|cu|cuh)$)");
const std::regex kQuotedInclude(R"re(\s*#\s*include\s*"([^"]+)".*)re");
const std::regex kAngledInclude(R"re(\s*#\s*include\s*<([^>]+)>.*)re");

// The headers of the include lines of one form.
std::vector<std::string> included(const std::string& text, const std::regex& form) {
  std::vector<std::string> headers;
  std::istringstream lines(text);
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (line.find('#') != std::string::npos && std::regex_match(line, match, form)) {
      headers.push_back(match[1]);
    }
  }
  return headers;
}

// Comments may give examples; code may not depend on them.
std::string without_comments(const std::string& text) {
  std::string code;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) code += line.substr(0, line.find("//")) + "\n";
  return code;
}

TEST(IncludeLines, PointDown) {
  std::vector<std::string> violations;
  int lines = 0;
  for (const char* folder : {"core", "modules", "plugins", "suite", "app"}) {
    for (const Source& source : sources_in(folder, kCode)) {
      for (const std::string& header : included(source.text, kQuotedInclude)) {
        const std::string reason = violation(source.path, header);
        if (!reason.empty()) violations.push_back(source.path + ": " + reason);
        ++lines;
      }
    }
  }
  EXPECT_GT(lines, 50) << "the sources were not found";
  EXPECT_THAT(violations, testing::IsEmpty());
}

TEST(IncludeLines, AreJudgedByTheseRules) {
  EXPECT_EQ(violation("plugins/a/a.cpp", "plugins/a/a.h"), "");
  EXPECT_EQ(violation("plugins/a/a.cpp", "modules/vit/vit.h"), "");
  EXPECT_EQ(violation("plugins/a/a.cpp", "roboimi/contract/head.h"), "");
  EXPECT_EQ(violation("modules/vit/vit.cpp", "modules/rope/rope.h"), "");
  EXPECT_EQ(violation("app/main.cpp", "roboimi/plugin/registry.h"), "");
  EXPECT_EQ(violation("app/suite_work.cpp", "suite/records.h"), "");
  EXPECT_EQ(violation("suite/records.cpp", "roboimi/common/files.h"), "");
  EXPECT_EQ(violation("core/roboimi/train/trainer.cpp", "roboimi/common/files.h"), "");
  EXPECT_EQ(violation("core/roboimi/deploy/policy.cpp", "roboimi/contract/actor.h"), "");
  EXPECT_EQ(violation("plugins/a/a.cpp", "plugins/b/b.h"), "plugins/a includes plugins/b/b.h");
  EXPECT_NE(violation("plugins/a/a.cpp", "plugins/ab/ab.h"), "");
  EXPECT_NE(violation("plugins/a/a.cpp", "roboimi/train/trainer.h"), "");
  EXPECT_NE(violation("modules/vit/vit.cpp", "plugins/a/a.h"), "");
  EXPECT_NE(violation("core/roboimi/contract/head.cpp", "modules/vit/vit.h"), "");
  EXPECT_NE(violation("core/roboimi/contract/head.cpp", "plugins/a/a.h"), "");
  EXPECT_NE(violation("core/roboimi/contract/head.cpp", "roboimi/data/frame_store.h"), "");
  EXPECT_NE(violation("core/roboimi/deploy/policy.cpp", "roboimi/train/trainer.h"), "");
  EXPECT_NE(violation("core/roboimi/train/trainer.cpp", "suite/records.h"), "");
  EXPECT_NE(violation("suite/records.cpp", "app/commands.h"), "");
  EXPECT_NE(violation("app/main.cpp", "modules/vit/vit.h"), "");
  EXPECT_NE(violation("app/main.cpp", "plugins/a/a.h"), "");
  EXPECT_NE(violation("core/roboimi/contract/head.cpp", "head.h"), "") << "paths start at the root";
}

TEST(IncludeLines, KnowEveryFolderOfCore) {
  std::set<std::string> folders, known;
  for (const auto& entry : fs::directory_iterator(kRoot / "core/roboimi")) {
    if (entry.is_directory()) folders.insert(entry.path().filename().string());
  }
  for (const auto& [folder, _] : kBelow) known.insert(folder);
  EXPECT_EQ(folders, known);
}

TEST(Core, NamesNoPluginNoSimulatorAndNoDatasetFormat) {
  std::vector<std::string> foreign(std::begin(kForeign), std::end(kForeign));
  for (const auto& entry : fs::directory_iterator(kRoot / "plugins")) {
    if (entry.is_directory()) foreign.push_back(entry.path().filename().string());
  }
  const std::regex files(R"((\.(h|cpp|cu)|CMakeLists\.txt)$)");
  std::vector<std::string> found;
  for (const Source& source : sources_in("core", files)) {
    const std::string code = lower(without_comments(source.text));
    for (const std::string& word : foreign) {
      if (code.find(word) != std::string::npos) found.push_back(source.path + " names " + word);
    }
  }
  EXPECT_GE(foreign.size(), 8u) << "the plugins were not found";
  EXPECT_THAT(found, testing::IsEmpty());
}

TEST(Program, IncludesNoLibraryOfASimulatorOrADatasetFormat) {
  std::vector<std::string> found;
  for (const Source& source : sources_in("app", kCode)) {
    for (const std::string& header : included(source.text, kAngledInclude)) {
      for (const char* word : kForeign) {
        if (lower(header).find(word) != std::string::npos) found.push_back(source.path + header);
      }
    }
  }
  EXPECT_THAT(found, testing::IsEmpty());
}

}  // namespace
}  // namespace roboimi
