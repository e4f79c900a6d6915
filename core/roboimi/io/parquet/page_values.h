// The values of a page in any of the supported encodings. Internal to io/parquet.
#pragma once

#include <memory>
#include <vector>

#include "roboimi/io/parquet/page_reader.h"
#include "roboimi/io/parquet/value_reader.h"

namespace roboimi::parquet {

// The values that are not null, in the order of the page. Throws Error, without a location, for
// damaged data. T is one of the types in parquet::Values.
template <typename T>
class ValueReader {
 public:
  virtual ~ValueReader() = default;
  virtual void read(T* out, std::size_t count, Budget& budget) = 0;
  virtual void skip(std::size_t count) = 0;
};

// Of a data page. `dictionary`, or nullptr, must outlive the reader. Throws Error for an encoding
// that is not supported.
template <typename T>
std::unique_ptr<ValueReader<T>> values_of(const Page& page, const Leaf& leaf,
                                          const std::vector<T>* dictionary);
// Of a dictionary page.
template <typename T>
std::unique_ptr<ValueReader<T>> dictionary_values_of(const Page& page, const Leaf& leaf);

}  // namespace roboimi::parquet
