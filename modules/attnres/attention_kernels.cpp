#include <algorithm>
#include <cmath>
#include <vector>

#include "modules/attnres/kernel_clones.h"
#include "modules/attnres/kernels.h"

namespace roboimi::attnres::kernels {
namespace {

// Pointers to the first rows of one head of one sample.
template <typename T>
struct HeadRows {
  T* q;
  T* k;
  T* v;
};

template <typename T>
ROBOIMI_INLINE HeadRows<T> head_rows(const Attention<T>& a, T* rows, Index sample, Index head) {
  T* first = rows + sample * a.length * a.row_width();
  const Index shared = head / (a.num_heads / a.num_kv_heads);
  return {first + head * a.head_dim, first + (a.num_heads + shared) * a.head_dim,
          first + (a.num_heads + a.num_kv_heads + shared) * a.head_dim};
}

// Rotates the pairs of q and k by their position's angle; direction -1 rotates back.
template <typename T>
ROBOIMI_INLINE void rotate(const Attention<T>& a, T* rows, T direction, Index sample) {
  const Index half = a.head_dim / 2, heads = a.num_heads + a.num_kv_heads;
  for (Index i = 0; i < a.length; ++i) {
    T* row = rows + (sample * a.length + i) * a.row_width();
    const T* cosine = a.cosine + i * half;
    const T* sine = a.sine + i * half;
    for (Index head = 0; head < heads; ++head) {
      T* x = row + head * a.head_dim;
      for (Index k = 0; k < half; ++k) {
        const T even = x[2 * k], odd = x[2 * k + 1], s = direction * sine[k];
        x[2 * k] = even * cosine[k] - odd * s;
        x[2 * k + 1] = even * s + odd * cosine[k];
      }
    }
  }
}

// out[i][j] (+)= scale * x_i . y_j; `stride` is the distance between rows of x and y.
template <bool kAdd, typename T>
ROBOIMI_INLINE void dots(const T* x, const T* y, Index stride, Index length, Index size, T scale,
                         T* out) {
  for (Index i = 0; i < length; ++i) {
    for (Index j = 0; j < length; ++j) {
      const T value = scale * dot(x + i * stride, y + j * stride, size);
      out[i * length + j] = kAdd ? out[i * length + j] + value : value;
    }
  }
}

template <typename T>
ROBOIMI_INLINE void softmax_rows(T* x, Index length) {
  for (Index i = 0; i < length; ++i) {
    T* row = x + i * length;
    T largest = row[0], total = 0;
    for (Index j = 1; j < length; ++j) largest = std::max(largest, row[j]);
    for (Index j = 0; j < length; ++j) {
      row[j] = std::exp(row[j] - largest);
      total += row[j];
    }
    for (Index j = 0; j < length; ++j) row[j] /= total;
  }
}

// x_ij <- p_ij (x_ij - sum_k p_ik x_ik): the derivative of softmax, which is the same in forward
// and reverse mode.
template <typename T>
ROBOIMI_INLINE void softmax_derivative(const T* p, T* x, Index length) {
  for (Index i = 0; i < length; ++i) {
    const T mean = dot(p + i * length, static_cast<const T*>(x + i * length), length);
    for (Index j = 0; j < length; ++j) {
      x[i * length + j] = p[i * length + j] * (x[i * length + j] - mean);
    }
  }
}

// out_i += scale * sum_j m_ij x_j; with kTransposed, m_ji instead of m_ij.
template <bool kTransposed, typename T>
ROBOIMI_INLINE void mix(const T* m, const T* x, Index x_stride, Index length, Index size, T scale,
                        T* out, Index out_stride) {
  for (Index i = 0; i < length; ++i) {
    for (Index j = 0; j < length; ++j) {
      const T weight = scale * (kTransposed ? m[j * length + i] : m[i * length + j]);
      add_scaled(out + i * out_stride, weight, x + j * x_stride, size);
    }
  }
}

// Multiplies the table of one head by its dropout mask.
template <typename T>
ROBOIMI_INLINE void drop(const Attention<T>& a, Index sample, Index head, T* table) {
  if (a.mask == nullptr) return;
  const Index size = a.length * a.length;
  const T* mask = a.mask + (sample * a.num_heads + head) * size;
  for (Index k = 0; k < size; ++k) table[k] *= mask[k];
}

template <typename T>
ROBOIMI_INLINE void clear(T* rows, Index count) {
  for (Index i = 0; i < count; ++i) rows[i] = 0;
}

template <typename T>
ROBOIMI_INLINE void attend_rows(const Attention<T>& a, Index begin, Index end) {
  const Index stride = a.row_width(), out_stride = a.num_heads * a.head_dim;
  const T scale = T(1) / std::sqrt(T(a.head_dim));
  std::vector<T> p(a.length * a.length);
  clear(a.y + begin * a.length * out_stride, (end - begin) * a.length * out_stride);
  for (Index sample = begin; sample < end; ++sample) {
    rotate(a, a.qkv, T(1), sample);
    for (Index head = 0; head < a.num_heads; ++head) {
      const HeadRows<T> rows = head_rows(a, a.qkv, sample, head);
      dots<false>(rows.q, rows.k, stride, a.length, a.head_dim, scale, p.data());
      softmax_rows(p.data(), a.length);
      drop(a, sample, head, p.data());
      mix<false>(p.data(), rows.v, stride, a.length, a.head_dim, T(1),
                 a.y + sample * a.length * out_stride + head * a.head_dim, out_stride);
    }
  }
}

template <typename T>
ROBOIMI_INLINE void attend_tangent_rows(const Attention<T>& a, Index begin, Index end) {
  const Index stride = a.row_width(), out_stride = a.num_heads * a.head_dim;
  const T scale = T(1) / std::sqrt(T(a.head_dim));
  std::vector<T> p(a.length * a.length), dp(a.length * a.length);
  clear(a.y_tangent + begin * a.length * out_stride, (end - begin) * a.length * out_stride);
  for (Index sample = begin; sample < end; ++sample) {
    rotate(a, a.tangent, T(1), sample);
    for (Index head = 0; head < a.num_heads; ++head) {
      const HeadRows<T> x = head_rows(a, a.qkv, sample, head);
      const HeadRows<T> dx = head_rows(a, a.tangent, sample, head);
      T* out = a.y_tangent + sample * a.length * out_stride + head * a.head_dim;
      dots<false>(x.q, x.k, stride, a.length, a.head_dim, scale, p.data());
      softmax_rows(p.data(), a.length);
      dots<false>(dx.q, x.k, stride, a.length, a.head_dim, scale, dp.data());
      dots<true>(x.q, dx.k, stride, a.length, a.head_dim, scale, dp.data());
      softmax_derivative(p.data(), dp.data(), a.length);
      drop(a, sample, head, p.data());
      drop(a, sample, head, dp.data());
      mix<false>(dp.data(), x.v, stride, a.length, a.head_dim, T(1), out, out_stride);
      mix<false>(p.data(), dx.v, stride, a.length, a.head_dim, T(1), out, out_stride);
    }
  }
}

// With grad_p_ij = grad_y_i . v_j, the gradients of v, q and k are weighted sums with the weights
// p, grad_z (z: the logits) and its transpose.
template <typename T>
ROBOIMI_INLINE void attend_backward_rows(const Attention<T>& a, Index begin, Index end) {
  const Index stride = a.row_width(), out_stride = a.num_heads * a.head_dim;
  const T scale = T(1) / std::sqrt(T(a.head_dim));
  const Index square = a.length * a.length;
  std::vector<T> p(square), grad_p(square);
  clear(a.grad_qkv + begin * a.length * stride, (end - begin) * a.length * stride);
  for (Index sample = begin; sample < end; ++sample) {
    for (Index head = 0; head < a.num_heads; ++head) {
      const HeadRows<T> x = head_rows(a, a.qkv, sample, head);
      const HeadRows<T> grad = head_rows(a, a.grad_qkv, sample, head);
      const T* grad_y = a.grad_y + sample * a.length * out_stride + head * a.head_dim;
      dots<false>(x.q, x.k, stride, a.length, a.head_dim, scale, p.data());
      softmax_rows(p.data(), a.length);
      for (Index i = 0; i < a.length; ++i) {
        for (Index j = 0; j < a.length; ++j) {
          grad_p[i * a.length + j] =
              dot(grad_y + i * out_stride, static_cast<const T*>(x.v + j * stride), a.head_dim);
        }
      }
      drop(a, sample, head, grad_p.data());
      softmax_derivative(p.data(), grad_p.data(), a.length);
      drop(a, sample, head, p.data());
      mix<true>(p.data(), grad_y, out_stride, a.length, a.head_dim, T(1), grad.v, stride);
      mix<false>(grad_p.data(), x.k, stride, a.length, a.head_dim, scale, grad.q, stride);
      mix<true>(grad_p.data(), x.q, stride, a.length, a.head_dim, scale, grad.k, stride);
    }
    rotate(a, a.grad_qkv, T(-1), sample);
  }
}

}  // namespace

ROBOIMI_KERNEL(attend, Attention)
ROBOIMI_KERNEL(attend_tangent, Attention)
ROBOIMI_KERNEL(attend_backward, Attention)

}  // namespace roboimi::attnres::kernels
