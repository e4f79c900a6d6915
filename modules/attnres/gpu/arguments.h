// The argument structs of the kernels in kernels.cu. Both the host's compiler and NVRTC compile
// this file, so it includes nothing.
//
// Each row is a token. Tensors "of values" have value_rows rows. Tensors "of both" are followed by
// tangent_rows rows: row value_rows + j is the tangent of value row value_rows - tangent_rows + j.
// All tensors are contiguous and float32, except those marked "product": these are operands of a
// matrix product and are bfloat16 if `half` is set.
#pragma once

namespace roboimi::attnres::gpu {

constexpr int kThreads = 128;  // maximum number of threads per block

// Depth attention of one reader, followed by RMSNorm. Source `reader` is new: its logits for this
// and all later readers are computed and stored; then the reader reads sources 0 .. reader.
struct ReadArguments {
  int width, value_rows, tangent_rows, num_sources, num_readers, reader, half;
  const float* sources;   // [num_sources, of both, width]
  const float* queries;   // [num_readers, width]
  float* inverse_rms;     // [of values, num_sources]
  float* logits;          // [of values, num_readers, num_sources]
  float* logit_tangents;  // [tangent_rows, num_readers, num_sources]
  float* weights;         // [of values, num_readers, num_sources], or null
  float* sum;             // [of values, width], the reader's sum, or null
  float* sum_tangent;     // [tangent_rows, width], or null
  const float* norm;      // [width], or null for no RMSNorm
  void* normed;           // product, [of both, width]
};

// The backward pass of ReadArguments for values: RMSNorm and depth attention of `reader`, then the
// complete gradient of source `reader`, because the gradients of all its readers are known then.
struct ReadBackwardArguments {
  int width, value_rows, tangent_rows, num_sources, num_readers, reader, half;
  const float* sources;
  const float* queries;
  const float* inverse_rms;
  const float* logits;
  const float* weights;
  float* grad_logits;        // [of values, num_readers, num_sources]
  float* grad_sums;          // [num_readers, of values, width]; written here if norm is not null
  const float* sum;          // [of values, width]
  const float* norm;         // [width], or null
  const float* grad_normed;  // [of values, width]
  float* grad_norm;          // [of values, width], each row's part of the sum
  const float* grad_total;   // [of values, width], gradient of the sum of all sources, or null
  // [num_sources, of values, num_readers]; its transpose times the source is the source's part of
  // the queries' gradient.
  float* coefficients;
  void* grad_source;  // product, [of values, width]
};

// Self-attention over samples of `length` rows [q | k | v], with rotary embedding. A block handles
// one key and value head of one sample, and all query heads that share it.
struct AttendArguments {
  int length, num_heads, num_kv_heads, head_dim, samples, tangent_samples, half;
  const float* cosine;  // [length, head_dim / 2]
  const float* sine;
  const float* mask;    // of dropout, [samples, num_heads, length, length], or null
  const float* qkv;     // [of both, (num_heads + 2 num_kv_heads) head_dim]
  void* y;              // product, [of both, num_heads head_dim]
  const float* grad_y;  // [of values, num_heads head_dim]
  void* grad_qkv;       // product, [of values, as qkv]
};

// silu(gate) * up of rows [gate | up].
struct SwiGluArguments {
  int width, value_rows, tangent_rows, half;
  const float* x;       // [of both, 2 width]
  void* y;              // product, [of both, width]
  const float* grad_y;  // [of values, width]
  void* grad_x;         // product, [of values, 2 width]
};

}  // namespace roboimi::attnres::gpu
