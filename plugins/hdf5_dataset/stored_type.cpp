#include "plugins/hdf5_dataset/stored_type.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>

#include "plugins/hdf5_dataset/hdf5_library.h"

namespace roboimi::hdf5_dataset {
namespace {

std::string member_name(hid_t type, unsigned index) {
  char* const name = H5Tget_member_name(type, index);
  const std::string text = name != nullptr ? name : "";
  H5free_memory(name);
  return text;
}

// h5py's bool is an enumeration of FALSE and TRUE.
ElementType enumeration_type(hid_t type, std::size_t size) {
  const int count = H5Tget_nmembers(type);
  if (count == 2 && member_name(type, 0) == "FALSE") {
    return {.kind = ElementKind::kBool, .name = "bool", .size = size};
  }
  return {.kind = ElementKind::kOther, .name = "an enumeration", .size = size};
}

std::string compound_name(hid_t type) {
  std::vector<std::string> fields;
  for (int i = 0; i < H5Tget_nmembers(type); ++i) {
    fields.push_back(member_name(type, static_cast<unsigned>(i)));
  }
  return fmt::format("records of {}", fmt::join(fields, ", "));
}

std::string array_name(hid_t type) {
  std::array<hsize_t, H5S_MAX_RANK> sizes{};
  const int rank = H5Tget_array_dims2(type, sizes.data());
  const Handle base(H5Tget_super(type));
  return fmt::format("arrays [{}] of {}", fmt::join(sizes.begin(), sizes.begin() + rank, ", "),
                     element_type(base.get()).name);
}

ElementType integer_type(hid_t type, std::size_t size) {
  const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
  const bool is_byte = size == 1 && H5Tget_precision(type) == 8;
  return {.kind = !is_byte    ? ElementKind::kNumber
                  : is_signed ? ElementKind::kInt8
                              : ElementKind::kUint8,
          .name = fmt::format("{}int{}", is_signed ? "" : "u", 8 * size),
          .size = size};
}

ElementType list_type(hid_t type, std::size_t size) {
  const Handle base(H5Tget_super(type));
  const H5T_class_t kind = H5Tget_class(base.get());
  const bool is_bytes = H5Tget_size(base.get()) == 1 && (kind == H5T_INTEGER || kind == H5T_OPAQUE);
  return {.kind = is_bytes ? ElementKind::kVariableBytes : ElementKind::kOther,
          .name = "lists of " + element_type(base.get()).name,
          .size = size};
}

// Names of common filters, by the numbers registered with The HDF Group.
std::string filter_name(H5Z_filter_t id, const char* stored) {
  static const std::map<H5Z_filter_t, std::string> known = {{H5Z_FILTER_DEFLATE, "gzip"},
                                                            {H5Z_FILTER_SZIP, "szip"},
                                                            {307, "bzip2"},
                                                            {32000, "lzf"},
                                                            {32001, "blosc"},
                                                            {32004, "lz4"},
                                                            {32008, "bitshuffle"},
                                                            {32013, "zfp"},
                                                            {32015, "zstd"},
                                                            {32017, "sz"},
                                                            {32019, "jpeg"},
                                                            {32024, "sz3"},
                                                            {32026, "blosc2"}};
  const auto found = known.find(id);
  if (found != known.end()) return found->second;
  return *stored != '\0' ? stored : "unnamed";
}

}  // namespace

ElementType element_type(hid_t type) {
  const std::size_t size = H5Tget_size(type);
  const auto other = [&](const std::string& name) {
    return ElementType{.kind = ElementKind::kOther, .name = name, .size = size};
  };
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return integer_type(type, size);
    case H5T_FLOAT:
      return {.kind = ElementKind::kNumber, .name = fmt::format("float{}", 8 * size), .size = size};
    case H5T_STRING:
      if (H5Tis_variable_str(type) > 0) {
        return {.kind = ElementKind::kVariableString,
                .name = "strings of variable length",
                .size = size};
      }
      return {.kind = ElementKind::kFixedBytes,
              .name = fmt::format("strings of {} bytes", size),
              .size = size};
    case H5T_OPAQUE:
      return {.kind = ElementKind::kFixedBytes,
              .name = fmt::format("opaque elements of {} bytes", size),
              .size = size};
    case H5T_VLEN:
      return list_type(type, size);
    case H5T_ENUM:
      return enumeration_type(type, size);
    case H5T_COMPOUND:
      return other(compound_name(type));
    case H5T_ARRAY:
      return other(array_name(type));
    case H5T_REFERENCE:
      return other("references");
    default:
      return other("elements of another type");
  }
}

std::vector<hsize_t> extents(hid_t dataset) {
  const Handle space(H5Dget_space(dataset));
  const int rank = H5Sget_simple_extent_ndims(space.get());
  std::vector<hsize_t> sizes(static_cast<std::size_t>(std::max(rank, 0)));
  if (rank > 0) H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
  return sizes;
}

std::vector<std::string> missing_filters(hid_t dataset) {
  std::vector<std::string> missing;
  const Handle creation(H5Dget_create_plist(dataset));
  const int count = H5Pget_nfilters(creation.get());
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    std::size_t num_values = 0;
    std::array<char, 64> stored{};
    const H5Z_filter_t id =
        H5Pget_filter2(creation.get(), static_cast<unsigned>(i), &flags, &num_values, nullptr,
                       stored.size() - 1, stored.data(), nullptr);
    if (id < 0 || H5Zfilter_avail(id) > 0) continue;
    missing.push_back(fmt::format("{} (filter {})", filter_name(id, stored.data()), id));
  }
  return missing;
}

}  // namespace roboimi::hdf5_dataset
