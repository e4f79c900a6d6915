// Macros with which the kernels' sources compile one loop for several instruction sets.
#pragma once

#include <cstdint>

// The best clone is selected when the library is loaded. AddressSanitizer is not initialized at
// that point, so it gets no clones.
#if defined(__SANITIZE_ADDRESS__) || !defined(__x86_64__) || defined(__clang__)
#define ROBOIMI_CLONES
#else
#define ROBOIMI_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#endif
// Forces inlining into every clone, so that the code is compiled for its instruction set.
#define ROBOIMI_INLINE inline __attribute__((always_inline))

// Defines name<float> and name<double>, which call name_rows.
#define ROBOIMI_KERNEL(name, Arguments)                                                  \
  template <>                                                                            \
  ROBOIMI_CLONES void name<float>(const Arguments<float>& a, Index begin, Index end) {   \
    name##_rows(a, begin, end);                                                          \
  }                                                                                      \
  template <>                                                                            \
  ROBOIMI_CLONES void name<double>(const Arguments<double>& a, Index begin, Index end) { \
    name##_rows(a, begin, end);                                                          \
  }

namespace roboimi::attnres::kernels {

template <typename T>
ROBOIMI_INLINE T dot(const T* x, const T* y, std::int64_t size) {
  T sum = 0;
  for (std::int64_t k = 0; k < size; ++k) sum += x[k] * y[k];
  return sum;
}

// y += scale * x
template <typename T>
ROBOIMI_INLINE void add_scaled(T* y, T scale, const T* x, std::int64_t size) {
  for (std::int64_t k = 0; k < size; ++k) y[k] += scale * x[k];
}

}  // namespace roboimi::attnres::kernels
