#include "modules/attnres/kernels.h"

#include <cmath>

#include "modules/attnres/kernel_clones.h"

namespace roboimi::attnres::kernels {
namespace {

constexpr double kEpsilon = 1e-6;

template <typename T>
ROBOIMI_INLINE T inverse_rms_of(const T* x, Index width) {
  return T(1) / std::sqrt(dot(x, x, width) / T(width) + T(kEpsilon));
}

template <typename T>
ROBOIMI_INLINE void rms_norm_rows(const RmsNorm<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* x = a.x + row * a.width;
    T* y = a.y + row * a.width;
    const T scale = inverse_rms_of(x, a.width);
    for (Index k = 0; k < a.width; ++k) y[k] = x[k] * scale * a.weight[k];
  }
}

// dy = w s (dx - x s^2 mean(x dx))
template <typename T>
ROBOIMI_INLINE void rms_norm_tangent_rows(const RmsNorm<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* x = a.x + row * a.width;
    const T* dx = a.tangent + row * a.width;
    T* dy = a.y_tangent + row * a.width;
    const T scale = inverse_rms_of(x, a.width);
    const T along = scale * scale * dot(x, dx, a.width) / T(a.width);
    for (Index k = 0; k < a.width; ++k) dy[k] = a.weight[k] * scale * (dx[k] - x[k] * along);
  }
}

// With n = x s: grad_x = s (g w - n mean(g w n)), grad_w = sum over rows of g n.
template <typename T>
ROBOIMI_INLINE void rms_norm_backward_rows(const RmsNorm<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* x = a.x + row * a.width;
    const T* g = a.grad_y + row * a.width;
    T* grad = a.grad_x + row * a.width;
    const T scale = inverse_rms_of(x, a.width);
    T along = 0;
    for (Index k = 0; k < a.width; ++k) along += g[k] * a.weight[k] * x[k];
    along *= scale * scale / T(a.width);
    for (Index k = 0; k < a.width; ++k) {
      grad[k] = scale * (g[k] * a.weight[k] - x[k] * along);
      a.grad_weight[k] += g[k] * x[k] * scale;
    }
  }
}

template <typename T>
ROBOIMI_INLINE T sigmoid(T x) {
  return T(1) / (T(1) + std::exp(-x));
}

template <typename T>
ROBOIMI_INLINE void swiglu_rows(const SwiGlu<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* gate = a.x + row * 2 * a.width;
    const T* up = gate + a.width;
    T* y = a.y + row * a.width;
    for (Index k = 0; k < a.width; ++k) y[k] = gate[k] * sigmoid(gate[k]) * up[k];
  }
}

// silu'(x) = s (1 + x (1 - s)) with s = sigmoid(x)
template <typename T>
ROBOIMI_INLINE void swiglu_tangent_rows(const SwiGlu<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* gate = a.x + row * 2 * a.width;
    const T* up = gate + a.width;
    const T* dgate = a.tangent + row * 2 * a.width;
    const T* dup = dgate + a.width;
    T* dy = a.y_tangent + row * a.width;
    for (Index k = 0; k < a.width; ++k) {
      const T s = sigmoid(gate[k]);
      dy[k] = s * (T(1) + gate[k] * (T(1) - s)) * dgate[k] * up[k] + gate[k] * s * dup[k];
    }
  }
}

template <typename T>
ROBOIMI_INLINE void swiglu_backward_rows(const SwiGlu<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* gate = a.x + row * 2 * a.width;
    const T* up = gate + a.width;
    const T* g = a.grad_y + row * a.width;
    T* grad_gate = a.grad_x + row * 2 * a.width;
    T* grad_up = grad_gate + a.width;
    for (Index k = 0; k < a.width; ++k) {
      const T s = sigmoid(gate[k]);
      grad_gate[k] = g[k] * up[k] * s * (T(1) + gate[k] * (T(1) - s));
      grad_up[k] = g[k] * gate[k] * s;
    }
  }
}

}  // namespace

ROBOIMI_KERNEL(rms_norm, RmsNorm)
ROBOIMI_KERNEL(rms_norm_tangent, RmsNorm)
ROBOIMI_KERNEL(rms_norm_backward, RmsNorm)
ROBOIMI_KERNEL(swiglu, SwiGlu)
ROBOIMI_KERNEL(swiglu_tangent, SwiGlu)
ROBOIMI_KERNEL(swiglu_backward, SwiGlu)

}  // namespace roboimi::attnres::kernels
