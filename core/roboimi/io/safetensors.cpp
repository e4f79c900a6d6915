#include "roboimi/io/safetensors.h"

#include <ATen/ATen.h>

#include <bit>
#include <cstring>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/text.h"
#include "roboimi/io/dtype_names.h"
#include "roboimi/io/readable_tensors.h"
#include "roboimi/io/safetensors_header.h"

namespace roboimi {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::uint64_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMinParallelHash = 1 << 20;  // bytes; hashing these takes about 1 ms

at::Tensor tensor_of(const std::shared_ptr<MappedFile>& file, const std::string& name,
                     const SafetensorsEntry& entry, std::uint64_t data_start) {
  const auto options = at::TensorOptions().dtype(entry.dtype);
  const std::size_t size = entry.end - entry.begin;
  if (size == 0) return at::empty(entry.shape, options);
  const std::uint8_t* bytes = file->data() + data_start + entry.begin;
  // A bool that is neither 0 nor 1 would be undefined behavior later.
  if (entry.dtype == c10::kBool &&
      std::any_of(bytes, bytes + size, [](std::uint8_t value) { return value > 1; })) {
    throw Error({.what = "tensor '" + name + "' has a BOOL that is neither 0 nor 1",
                 .where = file->path().string()});
  }
  // Copy misaligned tensors; all others are views of the file.
  if (reinterpret_cast<std::uintptr_t>(bytes) % c10::elementSize(entry.dtype) != 0) {
    at::Tensor copy = at::empty(entry.shape, options);
    std::memcpy(copy.data_ptr(), bytes, size);
    return copy;
  }
  return at::from_blob(
      const_cast<std::uint8_t*>(bytes), entry.shape, [file](void*) {}, options);
}

// The order in the file: multiples of 64 bytes, then wide elements, then by name.
std::vector<std::pair<std::string, at::Tensor>> in_file_order(
    const std::map<std::string, at::Tensor>& tensors) {
  std::vector<std::pair<std::string, at::Tensor>> ordered(tensors.begin(), tensors.end());
  const auto rank = [](const at::Tensor& tensor) {
    return tensor.nbytes() % kAlignment == 0 ? kAlignment : tensor.element_size();
  };
  std::stable_sort(ordered.begin(), ordered.end(),
                   [&](const auto& a, const auto& b) { return rank(a.second) > rank(b.second); });
  return ordered;
}

std::string header_of(const std::vector<std::pair<std::string, at::Tensor>>& ordered,
                      const std::map<std::string, std::string>& metadata) {
  nlohmann::json json = nlohmann::json::object();
  if (!metadata.empty()) json["__metadata__"] = metadata;
  std::uint64_t position = 0;
  for (const auto& [name, tensor] : ordered) {
    if (!is_utf8(name)) throw Error("the tensor name '" + printable(name) + "' is not UTF-8");
    const std::uint64_t end = position + tensor.nbytes();
    json[name] = {{"dtype", dtype_name(tensor.scalar_type())},
                  {"shape", tensor.sizes().vec()},
                  {"data_offsets", {position, end}}};
    position = end;
  }
  std::string text = json.dump();
  const std::size_t used = sizeof(std::uint64_t) + text.size();
  text.append((kAlignment - used % kAlignment) % kAlignment, ' ');
  return text;
}

// Writes the data and adds it to the hash; large tensors are hashed in parallel.
void write_and_hash(OutputFile& file, Sha256* sum, const void* data, std::size_t size) {
  std::future<void> hashed;  // its destructor waits
  if (sum != nullptr && size >= kMinParallelHash) {
    hashed = std::async(std::launch::async, [=] { sum->update(data, size); });
  } else if (sum != nullptr) {
    sum->update(data, size);
  }
  file.write(data, size);
}

ReadableTensors read_tensors(const std::filesystem::path& path, UnknownDtype unknown) {
  // Find the header.
  const auto file = std::make_shared<MappedFile>(path);
  std::uint64_t header_size = 0;
  if (file->size() < sizeof(header_size)) {
    throw Error({.what = "not a valid safetensors file: it is too short",
                 .where = path.string(),
                 .expected = "at least 8 bytes",
                 .found = std::to_string(file->size())});
  }
  std::memcpy(&header_size, file->data(), sizeof(header_size));
  const std::uint64_t available = file->size() - sizeof(header_size);
  if (header_size > available || header_size > kMaxHeader) {
    throw Error(
        {.what = "not a valid safetensors file: the header's length is wrong",
         .where = path.string(),
         .expected = "at most " + std::to_string(std::min(available, kMaxHeader)) + " bytes",
         .found = std::to_string(header_size),
         .next = "the file is truncated or has another format"});
  }
  // Read it, and make views of the data.
  const std::string_view text(reinterpret_cast<const char*>(file->data()) + sizeof(header_size),
                              header_size);
  SafetensorsHeader header = parse_safetensors_header(text, available - header_size, path, unknown);
  ReadableTensors result;
  for (const auto& [name, entry] : header.entries) {
    if (!entry.unknown_dtype.empty()) {
      result.unknown_dtypes.emplace(name, entry.unknown_dtype);
      continue;
    }
    result.file.tensors.emplace(name,
                                tensor_of(file, name, entry, sizeof(header_size) + header_size));
  }
  result.file.metadata = std::move(header.metadata);
  return result;
}

}  // namespace

TensorFile read_safetensors(const std::filesystem::path& path) {
  return read_tensors(path, UnknownDtype::kRefuse).file;
}

ReadableTensors read_readable_tensors(const std::filesystem::path& path) {
  return read_tensors(path, UnknownDtype::kSkip);
}

void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata, Sha256* sum) {
  const auto ordered = in_file_order(tensors);
  const std::string header = header_of(ordered, metadata);
  const std::uint64_t header_size = header.size();
  write_file_atomically(path, [&](const std::filesystem::path& temporary) {
    OutputFile file(temporary, path);
    write_and_hash(file, sum, &header_size, sizeof(header_size));
    write_and_hash(file, sum, header.data(), header.size());
    for (const auto& [name, tensor] : ordered) {
      const at::Tensor data = tensor.detach().cpu().contiguous();
      write_and_hash(file, sum, data.const_data_ptr(), data.nbytes());
    }
    file.close();
  });
}

}  // namespace roboimi
