#include "plugins/hdf5_dataset/camera_layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plugins/hdf5_dataset/stream_labels.h"
#include "roboimi/common/error.h"

namespace roboimi::hdf5_dataset {
namespace {

using Shape = std::vector<std::int64_t>;

bool is_channels(std::int64_t size) { return size == 1 || size == 3 || size == 4; }

// Reasons why frames cannot be read, each with its fix as a NumPy expression.
struct Findings {
  std::vector<std::string> faults, remedies;
  void add(const std::string& fault, const std::string& remedy) {
    faults.push_back(fault);
    remedies.push_back(remedy);
  }
};

void check_shape(const Shape& shape, Findings& findings) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) {
    findings.add("it is empty", "record the frames");
  } else if (shape.size() == 3 || (shape.size() == 4 && shape[3] == 1)) {
    findings.add("its frames are gray",
                 fmt::format("repeat the channel: numpy.repeat({}, 3, axis=-1)",
                             shape.size() == 3 ? "frames[..., None]" : "frames"));
  } else if (shape.size() == 4 && shape[3] == 4) {
    findings.add("its frames have four channels", "keep three channels: frames[..., :3]");
  } else if (shape.size() == 4 && is_channels(shape[1]) && !is_channels(shape[3])) {
    findings.add("its channels come before height and width",
                 "move them to the end: numpy.moveaxis(frames, 1, -1)");
  } else if (shape.size() != 4 || shape[3] != 3) {
    findings.add("its shape does not fit color frames",
                 "store one array [height, width, 3] per row");
  }
}

void check_type(const ElementType& type, Findings& findings) {
  switch (type.kind) {
    case ElementKind::kUint8:
      return;
    case ElementKind::kInt8:
      findings.add("its bytes are signed", "reinterpret them as unsigned: frames.view('uint8')");
      return;
    case ElementKind::kNumber:
      if (type.name.starts_with("float")) {
        findings.add("its values are floats",
                     "scale them to 0..255 and store them as uint8: (frames * 255).astype('uint8') "
                     "if they are 0..1");
      } else {
        findings.add("its values are larger than a byte, as in depth images",
                     "store color as uint8, and leave depth out of camera_names");
      }
      return;
    case ElementKind::kVariableString:
      findings.add("strings of variable length end at their first zero byte and cannot hold a JPEG",
                   "store the bytes as lists of uint8 (h5py.vlen_dtype('uint8'))");
      return;
    default:
      findings.add("its elements are neither numbers nor bytes", "store uint8 frames");
  }
}

Error unreadable(const Hdf5File& file, const std::string& name, const std::string& camera,
                 std::int64_t num_rows, const Findings& findings) {
  return Error({.what = fmt::format("frames of camera '{}' have an unsupported layout: {}", camera,
                                    fmt::join(findings.faults, ", ")),
                .where = file.path().string(),
                .expected = fmt::format("uint8 [{0}, H, W, 3], or JPEG or PNG bytes as uint8 [{0}, "
                                        "N], strings or lists of uint8 [{0}]",
                                        num_rows),
                .found = file.describe(name),
                .next = fmt::format("{}", fmt::join(findings.remedies, "; "))});
}

// [L], or [L, 1] as some recorders write it.
bool is_column(const Shape& shape) {
  return shape.size() == 1 || (shape.size() == 2 && shape[1] == 1);
}

}  // namespace

FrameStorage frame_storage(const Hdf5File& file, const std::string& name, const std::string& camera,
                           std::int64_t num_rows) {
  Findings findings;
  if (file.is_group(name)) {
    findings.add("it is a group, perhaps with one dataset per frame",
                 "stack its entries into one dataset: numpy.stack([g[k] for k in sorted(g)])");
    throw unreadable(file, name, camera, num_rows, findings);
  }

  // The frames must be readable, one per row.
  file.check_readable(name);
  const ElementType type = file.type(name);
  const Shape shape = file.shape(name);
  if (!shape.empty() && shape[0] != num_rows && shape[0] != 0) {
    throw Error(
        {.what = fmt::format("camera '{}' and the states have different numbers of rows", camera),
         .where = file.path().string(),
         .expected = fmt::format("{} rows", num_rows),
         .found = fmt::format("{}: {}", shape[0], file.describe(name)),
         .next = "record a frame for each state, or cut all datasets of the episode to the "
                 "rows that have both"});
  }

  // Encoded frames.
  const bool is_byte = type.kind == ElementKind::kUint8 || type.kind == ElementKind::kInt8;
  if (is_byte && shape.size() == 2 && shape[1] > 1) return FrameStorage::kPaddedRows;
  if (type.kind == ElementKind::kFixedBytes && is_column(shape)) return FrameStorage::kPaddedRows;
  if (type.kind == ElementKind::kVariableBytes && is_column(shape)) {
    return FrameStorage::kVariableBytes;
  }

  // Anything else must be plain uint8 color frames.
  check_type(type, findings);
  const bool is_color = is_byte || type.name.starts_with("float");
  if (is_color) check_shape(shape, findings);
  if (!findings.faults.empty()) throw unreadable(file, name, camera, num_rows, findings);
  return FrameStorage::kPlain;
}

bool seems_color(const ElementType& type, const std::vector<std::int64_t>& shape) {
  if (type.kind == ElementKind::kVariableBytes) return is_column(shape);
  const bool is_byte = type.kind == ElementKind::kUint8 || type.kind == ElementKind::kInt8;
  if (shape.size() != 4 || (!is_byte && !type.name.starts_with("float"))) return false;
  const bool has_channels_first = shape[1] == 3 && shape[2] > 4 && shape[3] > 4;
  return shape[3] == 3 || (shape[3] == 4 && is_byte) || has_channels_first;
}

std::vector<std::string> color_cameras(const Hdf5File& file, const std::string& group) {
  std::vector<std::string> names = file.children(group);
  std::erase_if(names, [&](const std::string& name) {
    const std::string dataset = group + "/" + name;
    if (!file.is_dataset(dataset) || file.type(dataset).kind != ElementKind::kNumber) return false;
    const Shape shape = file.shape(dataset);
    return shape.size() == 3 || (shape.size() == 4 && shape[3] == 1);
  });
  // HDF5 lists them in alphabetical order. A camera that is not recorded in the order comes last.
  const std::vector<std::string> order =
      file.texts_attribute(kNames, group).value.value_or(std::vector<std::string>{});
  std::ranges::stable_sort(names, {}, [&](const std::string& name) {
    return std::ranges::find(order, name) - order.begin();
  });
  return names;
}

EncodedFrames::EncodedFrames(const Hdf5File& file, const std::string& name, FrameStorage storage,
                             std::int64_t first, std::int64_t count) {
  if (storage == FrameStorage::kVariableBytes) {
    lists_ = file.read_variable_bytes(name, first, count);
  } else {
    padded_ = file.read_bytes(name, first, count);
  }
}

std::span<const std::uint8_t> EncodedFrames::operator[](std::int64_t i) const {
  if (!padded_.defined()) return lists_[static_cast<std::size_t>(i)];
  const std::int64_t width = padded_.size(1);
  return {padded_.const_data_ptr<std::uint8_t>() + i * width, static_cast<std::size_t>(width)};
}

}  // namespace roboimi::hdf5_dataset
