#include "roboimi/common/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "roboimi/common/error.h"
#include "roboimi/common/temporary_names.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// A new empty file with a temporary name in the folder of `path`.
fs::path create_temporary_of(const fs::path& path) {
  constexpr int kAttempts = 16;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    fs::path temporary = temporary_name(path);
    const int descriptor =
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (descriptor >= 0) {
      ::close(descriptor);
      return temporary;
    }
    if (errno != EEXIST) break;
  }
  throw Error({.what = std::string("cannot create: ") + std::strerror(errno),
               .where = path.string(),
               .next = "check the folder, its permissions and its free space"});
}

}  // namespace

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  std::error_code error;
  if (path_.has_parent_path()) fs::create_directories(path_.parent_path(), error);
  if (error) {
    throw Error({.what = "cannot create the folder: " + error.message(),
                 .where = path_.parent_path().string()});
  }
  remove_leftovers_of(path_);
  temporary_ = create_temporary_of(path_);
  try {
    output_ = std::make_unique<OutputFile>(temporary_, path_);
  } catch (...) {
    fs::remove(temporary_, error);
    throw;
  }
}

AtomicFile::~AtomicFile() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove(temporary_, ignored);
}

void AtomicFile::write(std::string_view bytes) {
  ROBOIMI_CHECK(output_ != nullptr, path_.string());
  output_->write(bytes);
  size_ += static_cast<std::int64_t>(bytes.size());
}

void AtomicFile::commit() {
  ROBOIMI_CHECK(output_ != nullptr, path_.string());
  output_->close();
  output_.reset();
  write_file_atomically(path_, [&](const fs::path& target) { fs::rename(temporary_, target); });
  temporary_.clear();
}

}  // namespace roboimi
