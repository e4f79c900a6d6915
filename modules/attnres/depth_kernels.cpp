#include <algorithm>
#include <cmath>

#include "modules/attnres/kernel_clones.h"
#include "modules/attnres/kernels.h"

namespace roboimi::attnres::kernels {
namespace {

constexpr double kEpsilon = 1e-6;

// One token's [readers, sources] table.
template <typename T>
ROBOIMI_INLINE T* table(const Depth<T>& a, T* tables, Index row) {
  return tables + row * a.num_readers * a.num_sources;
}

// logit = (v . q) s, s = 1 / rms(v)
template <typename T>
ROBOIMI_INLINE void depth_push_rows(const Depth<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* v = a.sources[a.source] + row * a.width;
    const T scale = T(1) / std::sqrt(dot(v, v, a.width) / T(a.width) + T(kEpsilon));
    a.inverse_rms[row * a.num_sources + a.source] = scale;
    T* logits = table(a, a.logits, row) + a.source;
    const T* products = a.products + row * a.num_readers;
    for (Index n = 0; n < a.num_readers; ++n) logits[n * a.num_sources] = products[n] * scale;
  }
}

// dlogit = (dv . q) s - logit s^2 mean(v dv)
template <typename T>
ROBOIMI_INLINE void depth_push_tangent_rows(const Depth<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* v = a.sources[a.source] + row * a.width;
    const T* dv = a.tangents[a.source] + row * a.width;
    const T scale = a.inverse_rms[row * a.num_sources + a.source];
    const T along = scale * scale * dot(v, dv, a.width) / T(a.width);
    const T* logits = table(a, a.logits, row) + a.source;
    T* dlogits = table(a, a.logit_tangents, row) + a.source;
    const T* products = a.products + row * a.num_readers;
    for (Index n = 0; n < a.num_readers; ++n) {
      dlogits[n * a.num_sources] = products[n] * scale - logits[n * a.num_sources] * along;
    }
  }
}

template <typename T>
ROBOIMI_INLINE void softmax(const T* logits, T* weights, Index count) {
  T largest = logits[0], total = 0;
  for (Index i = 1; i < count; ++i) largest = std::max(largest, logits[i]);
  for (Index i = 0; i < count; ++i) {
    weights[i] = std::exp(logits[i] - largest);
    total += weights[i];
  }
  for (Index i = 0; i < count; ++i) weights[i] /= total;
}

template <typename T>
ROBOIMI_INLINE void depth_read_rows(const Depth<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    T* weights = table(a, a.weights, row) + a.reader * a.num_sources;
    softmax(table(a, a.logits, row) + a.reader * a.num_sources, weights, a.source + 1);
    T* sum = a.sum + row * a.width;
    const T* first = a.sources[0] + row * a.width;
    for (Index k = 0; k < a.width; ++k) sum[k] = weights[0] * first[k];
    for (Index i = 1; i <= a.source; ++i) {
      add_scaled(sum, weights[i], a.sources[i] + row * a.width, a.width);
    }
  }
}

// dh = sum_i dw_i v_i + w_i dv_i, dw_i = w_i (dlogit_i - sum_j w_j dlogit_j)
template <typename T>
ROBOIMI_INLINE void depth_read_tangent_rows(const Depth<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* weights = table(a, a.weights, row) + a.reader * a.num_sources;
    const T* dlogits = table(a, a.logit_tangents, row) + a.reader * a.num_sources;
    const T mean = dot(weights, dlogits, a.source + 1);
    T* sum = a.sum + row * a.width;
    for (Index k = 0; k < a.width; ++k) sum[k] = 0;
    for (Index i = 0; i <= a.source; ++i) {
      const T* v = a.sources[i] + row * a.width;
      const T* dv = a.tangents[i] + row * a.width;
      const T weight = weights[i], dweight = weight * (dlogits[i] - mean);
      for (Index k = 0; k < a.width; ++k) sum[k] += dweight * v[k] + weight * dv[k];
    }
  }
}

// grad_logit_i = w_i (p_i - sum_j w_j p_j), p_i = grad_h . v_i
template <typename T>
ROBOIMI_INLINE void depth_read_backward_rows(const Depth<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* weights = table(a, a.weights, row) + a.reader * a.num_sources;
    T* grad = table(a, a.grad_logits, row) + a.reader * a.num_sources;
    const T* grad_sum = a.grad_sums[a.reader] + row * a.width;
    for (Index i = 0; i <= a.source; ++i) {
      grad[i] = dot(grad_sum, a.sources[i] + row * a.width, a.width);
    }
    const T mean = dot(weights, static_cast<const T*>(grad), a.source + 1);
    for (Index i = 0; i <= a.source; ++i) grad[i] = weights[i] * (grad[i] - mean);
  }
}

// grad_v = sum over readers of (w grad_h + grad_logit s q) - v s^2 / D sum grad_logit logit
template <typename T>
ROBOIMI_INLINE void depth_source_backward_rows(const Depth<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* v = a.sources[a.source] + row * a.width;
    const T scale = a.inverse_rms[row * a.num_sources + a.source];
    const T* weights = table(a, a.weights, row) + a.source;
    const T* logits = table(a, a.logits, row) + a.source;
    const T* grad_logits = table(a, a.grad_logits, row) + a.source;
    T* coefficients = a.coefficients + row * a.num_readers;
    T along = 0;
    for (Index n = 0; n < a.num_readers; ++n) {
      const bool reads = n >= a.first_reader;
      coefficients[n] = reads ? grad_logits[n * a.num_sources] * scale : T(0);
      if (reads) along += grad_logits[n * a.num_sources] * logits[n * a.num_sources];
    }
    along *= scale * scale / T(a.width);
    T* grad = a.grad_source + row * a.width;
    const T* total = a.grad_total == nullptr ? nullptr : a.grad_total + row * a.width;
    for (Index k = 0; k < a.width; ++k) grad[k] = (total ? total[k] : T(0)) - along * v[k];
    for (Index n = a.first_reader; n < a.num_readers; ++n) {
      const T* grad_sum = a.grad_sums[n] + row * a.width;
      const T* query = a.queries + n * a.width;
      const T weight = weights[n * a.num_sources], coefficient = coefficients[n];
      for (Index k = 0; k < a.width; ++k) grad[k] += weight * grad_sum[k] + coefficient * query[k];
    }
  }
}

}  // namespace

ROBOIMI_KERNEL(depth_push, Depth)
ROBOIMI_KERNEL(depth_push_tangent, Depth)
ROBOIMI_KERNEL(depth_read, Depth)
ROBOIMI_KERNEL(depth_read_tangent, Depth)
ROBOIMI_KERNEL(depth_read_backward, Depth)
ROBOIMI_KERNEL(depth_source_backward, Depth)

}  // namespace roboimi::attnres::kernels
