// The loops of the fused transformer pass, over rows of plain memory. A row is one token's values;
// `begin` and `end` bound the rows (or samples) of one thread. T is float or double.
//
// Each operation comes as value, tangent (its forward derivative along given directions) and
// backward. Tangent row j belongs to the value row that its arguments point at: callers pass
// pointers already moved to the samples that have tangents.
//
// The file is compiled for several instruction sets, the best one chosen when the library loads.
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
  T* grad_weight;    // [width], added to
};

// Depth attention. Per token, logits, weights and grad_logits are [readers, sources].
template <typename T>
struct Depth {
  Index width, num_readers, num_sources;
  const T* const* sources;   // num_sources pointers to [rows, width]
  const T* const* tangents;  // the same of tangents
  const T* queries;          // [readers, width]
  T* inverse_rms;            // [rows, sources]
  T* logits;                 // [rows, readers, sources]
  T* logit_tangents;
  T* weights;
  T* grad_logits;

  // Pushing: the new source, and the products [rows, readers] of it (or of its tangent) with the
  // queries. Reading: the reader, who sees sources 0 .. source, and its sum [rows, width].
  Index source, reader;
  const T* products;
  T* sum;
  // Backward. The gradient of every reader's sum: num_readers pointers to [rows, width]; that of
  // the plain sum of all sources, or null; the source's own, written once all of its readers
  // (first_reader and later) are known. coefficients [rows, readers], transposed and times the
  // source, is its part of the queries' gradient.
  const T* const* grad_sums;
  const T* grad_total;
  Index first_reader;
  T* grad_source;
  T* coefficients;
};

// w_down's input: silu(gate) * up, where gate and up lie side by side.
template <typename T>
struct SwiGlu {
  Index width;       // of gate, of up and of y
  const T* x;        // [rows, 2 width]
  T* y;              // [rows, width]
  const T* tangent;  // [rows, 2 width]
  T* y_tangent;      // [rows, width]
  const T* grad_y;   // [rows, width]
  T* grad_x;         // [rows, 2 width]
};

// Self-attention on rows [q | k | v]; one sample is `length` rows.
template <typename T>
struct Attention {
  Index length, num_heads, num_kv_heads, head_dim;
  const T* cosine;  // [length, head_dim / 2]
  const T* sine;
  T* qkv;      // [rows, (num_heads + 2 num_kv_heads) head_dim], q and k already turned
  T* y;        // [rows, num_heads head_dim]
  T* tangent;  // of qkv
  T* y_tangent;
  const T* grad_y;
  T* grad_qkv;  // of qkv before turning

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
// begin and end count samples. attend() turns q and k in place before it uses them, and
// attend_tangent() those of the tangent.
template <typename T> void attend(const Attention<T>& a, Index begin, Index end);
template <typename T> void attend_tangent(const Attention<T>& a, Index begin, Index end);
template <typename T> void attend_backward(const Attention<T>& a, Index begin, Index end);
// clang-format on

}  // namespace roboimi::attnres::kernels
