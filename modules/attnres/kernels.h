// The CPU loops of the fused transformer pass, over rows of plain memory. A row holds one token's
// values; `begin` and `end` are the range of rows (or samples) of one thread. T is float or double.
//
// Each operation has a value, a tangent (forward derivative along given directions) and a backward
// version. For tangents, the pointers to values must already be advanced to the samples that have
// tangents, so that tangent row j belongs to row j of the arguments.
//
// The loops are compiled for several instruction sets; the best one is selected when the library is
// loaded.
#pragma once

#include <cstdint>

namespace roboimi::attnres::kernels {

using Index = std::int64_t;

// y = x / rms(x) * weight
template <typename T>
struct RmsNorm {
  Index width;
  const T* weight;   // [width]
  const T* x;        // [rows, width]
  T* y;              // [rows, width]
  const T* tangent;  // [rows, width] of x
  T* y_tangent;      // [rows, width]
  const T* grad_y;   // [rows, width]
  T* grad_x;         // [rows, width]
  T* grad_weight;    // [width], accumulated
};

// Depth attention. Per token, logits, weights and grad_logits are [readers, sources].
template <typename T>
struct Depth {
  Index width, num_readers, num_sources;
  const T* const* sources;   // num_sources pointers to [rows, width]
  const T* const* tangents;  // num_sources pointers to tangents, [rows, width]
  const T* queries;          // [readers, width]
  T* inverse_rms;            // [rows, sources]
  T* logits;                 // [rows, readers, sources]
  T* logit_tangents;
  T* weights;
  T* grad_logits;

  // A push reads `source`, the new source, and `products`, its products (or those of its tangent)
  // with the queries. A read by `reader` uses sources 0 .. source and writes `sum`.
  Index source, reader;
  const T* products;  // [rows, readers]
  T* sum;             // [rows, width]
  // Backward.
  const T* const*
      grad_sums;        // gradient of each reader's sum: num_readers pointers to [rows, width]
  const T* grad_total;  // gradient of the plain sum of all sources, or null
  Index first_reader;   // first reader of `source`
  T* grad_source;       // gradient of `source`, written when those of all its readers are known
  T* coefficients;  // [rows, readers]; its transpose times the source is added to grad of queries
};

// SwiGLU, the input of w_down: silu(gate) * up, where each row of x is [gate | up].
template <typename T>
struct SwiGlu {
  Index width;       // width of gate, up and y
  const T* x;        // [rows, 2 width]
  T* y;              // [rows, width]
  const T* tangent;  // [rows, 2 width]
  T* y_tangent;      // [rows, width]
  const T* grad_y;   // [rows, width]
  T* grad_x;         // [rows, 2 width]
};

// Self-attention on rows [q | k | v]; a sample consists of `length` rows.
template <typename T>
struct Attention {
  Index length, num_heads, num_kv_heads, head_dim;
  const T* cosine;  // [length, head_dim / 2]
  const T* sine;
  T* qkv;         // [rows, (num_heads + 2 num_kv_heads) head_dim]; q and k already rotated
  const T* mask;  // of dropout, [samples, num_heads, length, length], or null
  T* y;           // [rows, num_heads head_dim]
  T* tangent;     // tangent of qkv
  T* y_tangent;
  const T* grad_y;
  T* grad_qkv;  // gradient of qkv before the rotation

  Index row_width() const { return (num_heads + 2 * num_kv_heads) * head_dim; }
};

// clang-format off
template <typename T> void rms_norm(const RmsNorm<T>& a, Index begin, Index end);
template <typename T> void rms_norm_tangent(const RmsNorm<T>& a, Index begin, Index end);
template <typename T> void rms_norm_backward(const RmsNorm<T>& a, Index begin, Index end);
template <typename T> void swiglu(const SwiGlu<T>& a, Index begin, Index end);
template <typename T> void swiglu_tangent(const SwiGlu<T>& a, Index begin, Index end);
template <typename T> void swiglu_backward(const SwiGlu<T>& a, Index begin, Index end);
template <typename T> void depth_push(const Depth<T>& a, Index begin, Index end);
template <typename T> void depth_push_tangent(const Depth<T>& a, Index begin, Index end);
template <typename T> void depth_read(const Depth<T>& a, Index begin, Index end);
template <typename T> void depth_read_tangent(const Depth<T>& a, Index begin, Index end);
template <typename T> void depth_read_backward(const Depth<T>& a, Index begin, Index end);
template <typename T> void depth_source_backward(const Depth<T>& a, Index begin, Index end);
// In these, begin and end count samples. attend() applies the rotary embedding to q and k in place
// before using them; attend_tangent() does this for their tangents.
template <typename T> void attend(const Attention<T>& a, Index begin, Index end);
template <typename T> void attend_tangent(const Attention<T>& a, Index begin, Index end);
template <typename T> void attend_backward(const Attention<T>& a, Index begin, Index end);
// clang-format on

}  // namespace roboimi::attnres::kernels
