#include "roboimi/io/torch_legacy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <span>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/text.h"
#include "roboimi/io/unpickler.h"
#include "roboimi/io/weight_file_format.h"

namespace roboimi {
namespace {

using Kind = PickleNode::Kind;

constexpr std::uint64_t kMaxLegacyRepeats = 16, kLegacyAlwaysAllowed = 64 << 20;

// Layout of the file: magic number, protocol version, system, contents, storage keys, storages.
class LegacyReader {
 public:
  explicit LegacyReader(const std::filesystem::path& path)
      : file_(path), rest_(file_.data(), file_.size()) {}

  PickleGraph read();

 private:
  struct Storage {
    at::Tensor bytes;
    std::uint64_t num_elements;
    bool is_filled = false;
  };

  [[noreturn]] void fail(const std::string& what) const;
  PickleGraph next_pickle(const LoadStorage& load_storage);
  PickleGraph next_plain_pickle();
  at::Tensor bytes_of(const StorageClaim& claim);
  void fill(const std::string& key);
  void check_bools(const PickleGraph& graph) const;

  MappedFile file_;
  std::span<const std::uint8_t> rest_;
  std::map<std::string, Storage> storages_;
  std::uint64_t num_claimed_ = 0;
};

void LegacyReader::fail(const std::string& what) const {
  throw Error({.what = "damaged PyTorch file: " + what,
               .where = file_.path().string(),
               .next = "copy the file again; if it is intact and you trust it, convert it in "
                       "Python: " +
                       convert_statement(file_.path(), true)});
}

PickleGraph LegacyReader::next_pickle(const LoadStorage& load_storage) {
  std::size_t length = 0;
  PickleGraph graph =
      unpickle(rest_, load_storage, kMaxLegacyRepeats * file_.size() + kLegacyAlwaysAllowed,
               file_.path().string(), &length);
  rest_ = rest_.subspan(length);
  return graph;
}

PickleGraph LegacyReader::next_plain_pickle() {
  return next_pickle(
      [this](const StorageClaim&) -> at::Tensor { fail("a storage is in the wrong place"); });
}

// Allocates a storage. Its bytes come later in the file; fill() reads them.
at::Tensor LegacyReader::bytes_of(const StorageClaim& claim) {
  const auto known = storages_.find(claim.key);
  if (known != storages_.end()) return known->second.bytes;
  num_claimed_ += claim.num_bytes;
  if (num_claimed_ > file_.size()) fail("its storages are larger than the file");
  const at::Tensor bytes = at::zeros({static_cast<std::int64_t>(claim.num_bytes)}, at::kByte);
  storages_.emplace(claim.key, Storage{bytes, claim.num_elements});
  return bytes;
}

void LegacyReader::fill(const std::string& key) {
  // Read and check the number of elements.
  const auto found = storages_.find(key);
  if (found == storages_.end()) {
    fail("storage '" + printable(key) + "' has an unsupported type (quantized?)");
  }
  if (found->second.is_filled) fail("storage '" + printable(key) + "' is listed twice");
  found->second.is_filled = true;
  std::int64_t num_elements = 0;
  if (rest_.size() < sizeof(num_elements)) fail("it ends too early");
  std::memcpy(&num_elements, rest_.data(), sizeof(num_elements));
  rest_ = rest_.subspan(sizeof(num_elements));
  const auto size = static_cast<std::size_t>(found->second.bytes.numel());
  if (num_elements < 0 || static_cast<std::uint64_t>(num_elements) != found->second.num_elements) {
    fail("the size of storage '" + printable(key) + "' does not match its tensors");
  }
  // Copy the bytes.
  if (size > rest_.size()) fail("it ends too early");
  if (size > 0) std::memcpy(found->second.bytes.data_ptr(), rest_.data(), size);
  rest_ = rest_.subspan(size);
}

// A bool that is neither 0 nor 1 would be undefined behavior later.
void LegacyReader::check_bools(const PickleGraph& graph) const {
  for (const PickleNode& node : graph.nodes) {
    if (!node.is(Kind::kTensor) || node.tensor.scalar_type() != at::kBool) continue;
    const at::Tensor bytes = node.tensor.view(at::kByte);
    if (bytes.numel() > 0 && bytes.max().item<std::int64_t>() > 1) {
      fail("it holds a bool that is neither 0 nor 1");
    }
  }
}

PickleGraph LegacyReader::read() {
  // Check the version and the byte order.
  next_plain_pickle();  // the magic number, which weight_file_format() has checked
  const PickleGraph version = next_plain_pickle();
  if (!version.root->is(Kind::kInteger) || version.root->integer != 1001) {
    fail("it has an unknown version of the format");
  }
  const PickleGraph system = next_plain_pickle();
  const PickleNode* little_endian = system.root->find("little_endian");
  if (little_endian != nullptr && little_endian->integer == 0) {
    refuse_weight_file(file_.path(), "weights of a big-endian machine",
                       "save them again on a little-endian one");
  }
  // Read the contents, then fill the storages in the order of their keys.
  PickleGraph graph = next_pickle([this](const StorageClaim& claim) { return bytes_of(claim); });
  const PickleGraph keys = next_plain_pickle();
  if (!keys.root->is(Kind::kList)) fail("it has no list of storages");
  std::size_t num_filled = 0;
  for (const PickleNode* key : keys.root->items) {
    if (!key->is(Kind::kText)) fail("a storage key is not a string");
    fill(key->text);
    ++num_filled;
  }
  if (num_filled < storages_.size()) fail("a storage is missing");
  check_bools(graph);
  return graph;
}

}  // namespace

PickleGraph read_legacy_torch_file(const std::filesystem::path& path) {
  return LegacyReader(path).read();
}

}  // namespace roboimi
