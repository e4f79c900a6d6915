// Element types and compression filters of datasets, with names for error messages. Callers must
// hold Hdf5Lock.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <string>
#include <vector>

namespace roboimi::hdf5_dataset {

enum class ElementKind {
  kUint8,
  kInt8,
  kNumber,          // any other integer or float
  kBool,            // h5py's bool
  kFixedBytes,      // strings or opaque bytes of one length
  kVariableBytes,   // lists of one-byte numbers
  kVariableString,  // ends at its first zero byte, so it cannot hold an image
  kOther,
};

struct ElementType {
  ElementKind kind = ElementKind::kOther;
  std::string name;      // "uint8", "float64", "strings of 5210 bytes", ...
  std::size_t size = 0;  // bytes of one element in the file
};

// Whether HDF5 converts the elements to floats.
inline bool is_numeric(ElementKind kind) {
  return kind == ElementKind::kUint8 || kind == ElementKind::kInt8 ||
         kind == ElementKind::kNumber || kind == ElementKind::kBool;
}

ElementType element_type(hid_t datatype);

// The sizes of a dataset's dimensions.
std::vector<hsize_t> extents(hid_t dataset);

// "blosc (filter 32001)" for each filter of the dataset that this HDF5 library cannot decode.
std::vector<std::string> missing_filters(hid_t dataset);

}  // namespace roboimi::hdf5_dataset
