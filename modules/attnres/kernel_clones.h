// How the kernels' sources compile one loop for several instruction sets.
#pragma once

#include <cstdint>

// The best clone is bound when the library loads; AddressSanitizer is not up yet at that moment.
#if defined(__SANITIZE_ADDRESS__) || !defined(__x86_64__) || defined(__clang__)
#define ROBOIMI_CLONES
#else
#define ROBOIMI_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#endif
// Inlined into every clone, and so compiled for its instruction set.
#define ROBOIMI_INLINE inline __attribute__((always_inline))

// Defines name<float> and name<double> by name_rows.
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
