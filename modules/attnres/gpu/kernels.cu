// The kernels between the matrix products of a fused transformer pass on a GPU; see arguments.h.
//
// NVRTC compiles this file when the program runs. A test compiles it for the CPU, with the threads of a
// block emulated, so it uses no more of CUDA than that emulation has. Every sum has a fixed order: equal
// inputs give equal bits.
#include "modules/attnres/gpu/arguments.h"

using namespace roboimi::attnres::gpu;

typedef long long Index;

#define WARP 32
#define ALL_LANES 0xffffffffu

// ---- Parts --------------------------------------------------------------------------------------

__device__ inline int lane() { return threadIdx.x % WARP; }
__device__ inline int warp() { return threadIdx.x / WARP; }
__device__ inline int num_warps() { return blockDim.x / WARP; }

__device__ inline float sum_of_warp(float x) {
  for (int offset = WARP / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(ALL_LANES, x, offset);
  return x;
}

__device__ inline float max_of_warp(float x) {
  for (int offset = WARP / 2; offset > 0; offset /= 2) {
    x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, offset));
  }
  return x;
}

struct Pair {
  float first, second;
};

// The sums of two numbers over the block's threads. scratch: 2 * WARP numbers of shared memory.
__device__ inline Pair sum_of_block(float first, float second, float* scratch) {
  first = sum_of_warp(first);
  second = sum_of_warp(second);
  __syncthreads();  // the previous sums have been read
  if (lane() == 0) {
    scratch[warp()] = first;
    scratch[WARP + warp()] = second;
  }
  __syncthreads();
  Pair total = {0.0f, 0.0f};
  for (int i = 0; i < num_warps(); ++i) {
    total.first += scratch[i];
    total.second += scratch[WARP + i];
  }
  return total;
}

// Writes a float, or a bfloat16 rounded to nearest even.
__device__ inline void store(void* out, Index i, float x, int half) {
  if (!half) {
    static_cast<float*>(out)[i] = x;
    return;
  }
  unsigned bits = __float_as_uint(x);
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  bits = is_nan ? 0x7fc00000u : bits + 0x7fffu + ((bits >> 16) & 1u);
  static_cast<unsigned short*>(out)[i] = static_cast<unsigned short>(bits >> 16);
}

__device__ inline float inverse_rms_of(float sum_of_squares, int width) {
  return 1.0f / sqrtf(sum_of_squares / width + 1e-6f);
}

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// ---- Depth attention and RMSNorm ----------------------------------------------------------------

// A block a value row. With its tangent, if it has one.
extern "C" __global__ void read_depth(const ReadArguments a) {
  extern __shared__ float shared[];
  float* scratch = shared;
  float* value = scratch + 2 * WARP;
  float* tangent = value + a.width;
  float* weight = tangent + a.width;
  float* weight_tangent = weight + a.num_sources;

  const int row = blockIdx.x, source = a.reader;
  const int tangent_row = row - (a.value_rows - a.tangent_rows);
  const bool is_dual = tangent_row >= 0;
  const Index stride = Index(a.value_rows + a.tangent_rows) * a.width;
  const float* x = a.sources + Index(row) * a.width;
  const float* dx = a.sources + (Index(a.value_rows) + tangent_row) * a.width;

  // The new source: logit = (v . q) s with s = 1 / rms(v); dlogit = (dv . q) s - logit s^2 mean(v dv).
  float square = 0.0f, product = 0.0f;
  for (int k = threadIdx.x; k < a.width; k += blockDim.x) {
    value[k] = x[source * stride + k];
    tangent[k] = is_dual ? dx[source * stride + k] : 0.0f;
    square += value[k] * value[k];
    product += value[k] * tangent[k];
  }
  Pair sums = sum_of_block(square, product, scratch);
  float scale = inverse_rms_of(sums.first, a.width);
  float along = scale * scale * sums.second / a.width;
  if (threadIdx.x == 0) a.inverse_rms[Index(row) * a.num_sources + source] = scale;
  const Index table = Index(row) * a.num_readers, tangent_table = Index(tangent_row) * a.num_readers;
  for (int n = a.reader + warp(); n < a.num_readers; n += num_warps()) {
    const float* query = a.queries + Index(n) * a.width;
    float dot = 0.0f, tangent_dot = 0.0f;
    for (int k = lane(); k < a.width; k += WARP) {
      dot += value[k] * query[k];
      tangent_dot += tangent[k] * query[k];
    }
    dot = sum_of_warp(dot);
    tangent_dot = sum_of_warp(tangent_dot);
    if (lane() == 0) {
      const float logit = dot * scale;
      a.logits[(table + n) * a.num_sources + source] = logit;
      if (is_dual) {
        a.logit_tangents[(tangent_table + n) * a.num_sources + source] =
            tangent_dot * scale - logit * along;
      }
    }
  }
  __syncthreads();

  // The reader's weights: softmax, and dw_i = w_i (dlogit_i - sum_j w_j dlogit_j).
  if (warp() == 0) {
    const float* logits = a.logits + (table + a.reader) * a.num_sources;
    const float* dlogits = a.logit_tangents + (tangent_table + a.reader) * a.num_sources;
    float largest = logits[0];
    for (int i = lane(); i <= source; i += WARP) largest = fmaxf(largest, logits[i]);
    largest = max_of_warp(largest);
    float total = 0.0f;
    for (int i = lane(); i <= source; i += WARP) {
      weight[i] = expf(logits[i] - largest);
      total += weight[i];
    }
    total = sum_of_warp(total);
    float mean = 0.0f;
    for (int i = lane(); i <= source; i += WARP) {
      weight[i] /= total;
      if (a.weights != nullptr) a.weights[(table + a.reader) * a.num_sources + i] = weight[i];
      if (is_dual) mean += weight[i] * dlogits[i];
    }
    mean = sum_of_warp(mean);
    for (int i = lane(); i <= source; i += WARP) {
      weight_tangent[i] = is_dual ? weight[i] * (dlogits[i] - mean) : 0.0f;
    }
  }
  __syncthreads();

  // The mixture of sources. From here on a thread reads no other's elements of value and tangent.
  square = product = 0.0f;
  for (int k = threadIdx.x; k < a.width; k += blockDim.x) {
    float h = 0.0f, dh = 0.0f;
    if (is_dual) {
#pragma unroll 4
      for (int i = 0; i <= source; ++i) {
        const float v = x[i * stride + k], dv = dx[i * stride + k];
        h += weight[i] * v;
        dh += weight_tangent[i] * v + weight[i] * dv;
      }
    } else {
#pragma unroll 8
      for (int i = 0; i <= source; ++i) h += weight[i] * x[i * stride + k];
    }
    value[k] = h;
    tangent[k] = dh;
    square += h * h;
    product += h * dh;
    if (a.sum != nullptr) a.sum[Index(row) * a.width + k] = h;
    if (a.sum_tangent != nullptr && is_dual) a.sum_tangent[Index(tangent_row) * a.width + k] = dh;
  }
  if (a.norm == nullptr) return;

  // y = w s h; dy = w s (dh - h s^2 mean(h dh)).
  sums = sum_of_block(square, product, scratch);
  scale = inverse_rms_of(sums.first, a.width);
  along = scale * scale * sums.second / a.width;
  for (int k = threadIdx.x; k < a.width; k += blockDim.x) {
    const float scaled = a.norm[k] * scale;
    store(a.normed, Index(row) * a.width + k, value[k] * scaled, a.half);
    if (is_dual) {
      store(a.normed, (Index(a.value_rows) + tangent_row) * a.width + k,
            scaled * (tangent[k] - value[k] * along), a.half);
    }
  }
}

// A block has the value rows blockIdx.x, blockIdx.x + gridDim.x, ...
extern "C" __global__ void read_depth_backward(const ReadBackwardArguments a) {
  extern __shared__ float shared[];
  float* scratch = shared;
  float* grad_sum = scratch + 2 * WARP;
  float* grad_norm = grad_sum + a.width;
  float* weight = grad_norm + a.width;           // of the readers of this source
  float* coefficient = weight + a.num_readers;   // likewise
  float* grad_logit = coefficient + a.num_readers;  // of this reader's sources

  const int source = a.reader;
  const Index stride = Index(a.value_rows + a.tangent_rows) * a.width;
  const Index sum_stride = Index(a.value_rows) * a.width;
  for (int k = threadIdx.x; k < a.width; k += blockDim.x) grad_norm[k] = 0.0f;

  for (int row = blockIdx.x; row < a.value_rows; row += gridDim.x) {
    const Index first = Index(row) * a.width;
    const Index table = Index(row) * a.num_readers;

    // RMSNorm, with n = h s: grad_h = s (g w - n mean(g w n)), grad_w = sum over rows of g n.
    float* own_grad_sum = a.grad_sums + a.reader * sum_stride + first;
    if (a.norm != nullptr) {
      float square = 0.0f, product = 0.0f;
      for (int k = threadIdx.x; k < a.width; k += blockDim.x) {
        const float h = a.sum[first + k];
        square += h * h;
        product += a.grad_normed[first + k] * a.norm[k] * h;
      }
      const Pair sums = sum_of_block(square, product, scratch);
      const float scale = inverse_rms_of(sums.first, a.width);
      const float along = scale * scale * sums.second / a.width;
      for (int k = threadIdx.x; k < a.width; k += blockDim.x) {
        const float h = a.sum[first + k], g = a.grad_normed[first + k];
        grad_sum[k] = scale * (g * a.norm[k] - h * along);
        grad_norm[k] += g * h * scale;
        own_grad_sum[k] = grad_sum[k];
      }
    } else {
      for (int k = threadIdx.x; k < a.width; k += blockDim.x) grad_sum[k] = own_grad_sum[k];
    }
    __syncthreads();

    // grad_logit_i = w_i (p_i - sum_j w_j p_j), p_i = grad_h . v_i.
    for (int i = warp(); i <= source; i += num_warps()) {
      const float* v = a.sources + i * stride + first;
      float dot = 0.0f;
#pragma unroll 4
      for (int k = lane(); k < a.width; k += WARP) dot += grad_sum[k] * v[k];
      dot = sum_of_warp(dot);
      if (lane() == 0) grad_logit[i] = dot;
    }
    __syncthreads();
    if (warp() == 0) {
      const float* weights = a.weights + (table + a.reader) * a.num_sources;
      float mean = 0.0f;
      for (int i = lane(); i <= source; i += WARP) mean += weights[i] * grad_logit[i];
      mean = sum_of_warp(mean);
      for (int i = lane(); i <= source; i += WARP) {
        grad_logit[i] = weights[i] * (grad_logit[i] - mean);
        a.grad_logits[(table + a.reader) * a.num_sources + i] = grad_logit[i];
      }
    }
    __syncthreads();

    // grad_v = sum over its readers of (w grad_h + grad_logit s q) - v s^2 / D sum grad_logit logit.
    const float scale = a.inverse_rms[Index(row) * a.num_sources + source];
    float* coefficients = a.coefficients + (Index(source) * a.value_rows + row) * a.num_readers;
    float along = 0.0f;
    for (int n = threadIdx.x; n < a.num_readers; n += blockDim.x) {
      const Index entry = (table + n) * a.num_sources + source;
      float c = 0.0f;
      if (n >= a.reader) {
        const float g = n == a.reader ? grad_logit[source] : a.grad_logits[entry];
        c = g * scale;
        along += g * a.logits[entry];
        weight[n] = a.weights[entry];
        coefficient[n] = c;
      }
      coefficients[n] = c;
    }
    along = sum_of_block(along, 0.0f, scratch).first * scale * scale / a.width;
    for (int k = threadIdx.x; k < a.width; k += blockDim.x) {
      float grad = a.grad_total == nullptr ? 0.0f : a.grad_total[first + k];
      grad -= along * a.sources[source * stride + first + k];
      grad += weight[a.reader] * grad_sum[k] + coefficient[a.reader] * a.queries[Index(a.reader) * a.width + k];
#pragma unroll 4
      for (int n = a.reader + 1; n < a.num_readers; ++n) {
        grad += weight[n] * a.grad_sums[n * sum_stride + first + k] +
                coefficient[n] * a.queries[Index(n) * a.width + k];
      }
      store(a.grad_source, first + k, grad, a.half);
    }
    __syncthreads();
  }
  if (a.norm == nullptr) return;
  for (int k = threadIdx.x; k < a.width; k += blockDim.x) {
    a.grad_norm[Index(blockIdx.x) * a.width + k] = grad_norm[k];
  }
}

// ---- Self-attention -----------------------------------------------------------------------------

// Rows of one head in shared memory lie head_dim + 1 apart, rows of a table length + 1: no two lanes
// meet in a bank.
__device__ inline int head_stride(const AttendArguments& a) { return a.head_dim + 1; }
__device__ inline int table_stride(const AttendArguments& a) { return a.length + 1; }
__device__ inline int row_width(const AttendArguments& a) {
  return (a.num_heads + 2 * a.num_kv_heads) * a.head_dim;
}

// One head of the rows at `rows`, as it is.
__device__ inline void load_head(const AttendArguments& a, const float* rows, int width, int column,
                                 float* out) {
  for (int at = threadIdx.x; at < a.length * a.head_dim; at += blockDim.x) {
    const int i = at / a.head_dim, c = at % a.head_dim;
    out[i * head_stride(a) + c] = rows[Index(i) * width + column + c];
  }
}

// The same, its pairs turned by their position's angle.
__device__ inline void load_turned(const AttendArguments& a, const float* rows, int width, int column,
                                   float* out) {
  const int half = a.head_dim / 2;
  for (int at = threadIdx.x; at < a.length * half; at += blockDim.x) {
    const int i = at / half, c = at % half;
    const float* pair = rows + Index(i) * width + column + 2 * c;
    const float cosine = a.cosine[at], sine = a.sine[at];
    out[i * head_stride(a) + 2 * c] = pair[0] * cosine - pair[1] * sine;
    out[i * head_stride(a) + 2 * c + 1] = pair[0] * sine + pair[1] * cosine;
  }
}

// Writes one pair of a gradient, turned back.
__device__ inline void store_turned_back(const AttendArguments& a, int i, int c, float even, float odd,
                                         Index at) {
  const float cosine = a.cosine[i * (a.head_dim / 2) + c], sine = a.sine[i * (a.head_dim / 2) + c];
  store(a.grad_qkv, at, even * cosine + odd * sine, a.half);
  store(a.grad_qkv, at + 1, odd * cosine - even * sine, a.half);
}

__device__ inline float dot_of_rows(const float* x, const float* y, int size) {
  float sum = 0.0f;
#pragma unroll 8
  for (int k = 0; k < size; ++k) sum += x[k] * y[k];
  return sum;
}

// Softmax of every row of p. Where `x` is given, x_ij <- p_ij (x_ij - sum_k p_ik x_ik): the derivative
// of softmax, the same in both directions.
__device__ inline void softmax_rows(const AttendArguments& a, float* p, float* x) {
  for (int i = warp(); i < a.length; i += num_warps()) {
    float* row = p + i * table_stride(a);
    float largest = row[0];
    for (int j = lane(); j < a.length; j += WARP) largest = fmaxf(largest, row[j]);
    largest = max_of_warp(largest);
    float total = 0.0f;
    for (int j = lane(); j < a.length; j += WARP) {
      row[j] = expf(row[j] - largest);
      total += row[j];
    }
    total = sum_of_warp(total);
    for (int j = lane(); j < a.length; j += WARP) row[j] /= total;
    if (x == nullptr) continue;
    float* other = x + i * table_stride(a);
    float mean = 0.0f;
    for (int j = lane(); j < a.length; j += WARP) mean += row[j] * other[j];
    mean = sum_of_warp(mean);
    for (int j = lane(); j < a.length; j += WARP) other[j] = row[j] * (other[j] - mean);
  }
}

// A block a sample (x) and a key head (y).
extern "C" __global__ void attend(const AttendArguments a) {
  extern __shared__ float shared[];
  const int head_size = a.length * head_stride(a), table_size = a.length * table_stride(a);
  float* q = shared;
  float* k = q + head_size;
  float* v = k + head_size;
  float* p = v + head_size;
  float* dq = p + table_size;
  float* dk = dq + head_size;
  float* dv = dk + head_size;
  float* dp = dv + head_size;

  const int sample = blockIdx.x, shared_head = blockIdx.y, group = a.num_heads / a.num_kv_heads;
  const int tangent_sample = sample - (a.samples - a.tangent_samples);
  const bool is_dual = tangent_sample >= 0;
  const int width = row_width(a), out_width = a.num_heads * a.head_dim;
  const Index row = Index(sample) * a.length;
  const Index tangent_row = (Index(a.samples) + tangent_sample) * a.length;
  const float* rows = a.qkv + row * width;
  const float* tangent_rows = a.qkv + tangent_row * width;
  const int key_column = (a.num_heads + shared_head) * a.head_dim;
  const int value_column = key_column + a.num_kv_heads * a.head_dim;
  const float scale = 1.0f / sqrtf(float(a.head_dim));

  load_turned(a, rows, width, key_column, k);
  load_head(a, rows, width, value_column, v);
  if (is_dual) {
    load_turned(a, tangent_rows, width, key_column, dk);
    load_head(a, tangent_rows, width, value_column, dv);
  }
  for (int head = shared_head * group; head < (shared_head + 1) * group; ++head) {
    load_turned(a, rows, width, head * a.head_dim, q);
    if (is_dual) load_turned(a, tangent_rows, width, head * a.head_dim, dq);
    __syncthreads();
    for (int at = threadIdx.x; at < a.length * a.length; at += blockDim.x) {
      const int i = at / a.length, j = at % a.length;
      const int qi = i * head_stride(a), kj = j * head_stride(a), ij = i * table_stride(a) + j;
      p[ij] = scale * dot_of_rows(q + qi, k + kj, a.head_dim);
      if (is_dual) {
        dp[ij] = scale * (dot_of_rows(dq + qi, k + kj, a.head_dim) +
                          dot_of_rows(q + qi, dk + kj, a.head_dim));
      }
    }
    __syncthreads();
    softmax_rows(a, p, is_dual ? dp : nullptr);
    __syncthreads();
    for (int at = threadIdx.x; at < a.length * a.head_dim; at += blockDim.x) {
      const int i = at / a.head_dim, c = at % a.head_dim;
      float y = 0.0f, dy = 0.0f;
      for (int j = 0; j < a.length; ++j) {
        const int ij = i * table_stride(a) + j, jc = j * head_stride(a) + c;
        y += p[ij] * v[jc];
        if (is_dual) dy += dp[ij] * v[jc] + p[ij] * dv[jc];
      }
      const Index column = head * a.head_dim + c;
      store(a.y, (row + i) * out_width + column, y, a.half);
      if (is_dual) store(a.y, (tangent_row + i) * out_width + column, dy, a.half);
    }
    __syncthreads();  // the next head overwrites q and p
  }
}

// A block a sample (x) and a key head (y). grad_p_ij = grad_y_i . v_j; grad_v, grad_q and grad_k are
// mixtures by p, by grad_z (z: the logits) and by its transpose.
extern "C" __global__ void attend_backward(const AttendArguments a) {
  extern __shared__ float shared[];
  const int head_size = a.length * head_stride(a), table_size = a.length * table_stride(a);
  float* q = shared;
  float* k = q + head_size;
  float* v = k + head_size;
  float* p = v + head_size;
  float* grad_y = p + table_size;
  float* grad_k = grad_y + head_size;
  float* grad_v = grad_k + head_size;
  float* grad_z = grad_v + head_size;

  const int sample = blockIdx.x, shared_head = blockIdx.y, group = a.num_heads / a.num_kv_heads;
  const int width = row_width(a), out_width = a.num_heads * a.head_dim, half = a.head_dim / 2;
  const Index row = Index(sample) * a.length;
  const float* rows = a.qkv + row * width;
  const int key_column = (a.num_heads + shared_head) * a.head_dim;
  const int value_column = key_column + a.num_kv_heads * a.head_dim;
  const float scale = 1.0f / sqrtf(float(a.head_dim));

  load_turned(a, rows, width, key_column, k);
  load_head(a, rows, width, value_column, v);
  for (int at = threadIdx.x; at < head_size; at += blockDim.x) grad_k[at] = grad_v[at] = 0.0f;
  for (int head = shared_head * group; head < (shared_head + 1) * group; ++head) {
    load_turned(a, rows, width, head * a.head_dim, q);
    load_head(a, a.grad_y + row * out_width, out_width, head * a.head_dim, grad_y);
    __syncthreads();
    for (int at = threadIdx.x; at < a.length * a.length; at += blockDim.x) {
      const int i = at / a.length, j = at % a.length;
      const int qi = i * head_stride(a), kj = j * head_stride(a), ij = i * table_stride(a) + j;
      p[ij] = scale * dot_of_rows(q + qi, k + kj, a.head_dim);
      grad_z[ij] = dot_of_rows(grad_y + qi, v + kj, a.head_dim);
    }
    __syncthreads();
    softmax_rows(a, p, grad_z);
    __syncthreads();
    for (int at = threadIdx.x; at < a.length * half; at += blockDim.x) {
      const int i = at / half, c = at % half, even = 2 * c, odd = 2 * c + 1;
      float q_even = 0.0f, q_odd = 0.0f, k_even = 0.0f, k_odd = 0.0f, v_even = 0.0f, v_odd = 0.0f;
      for (int j = 0; j < a.length; ++j) {
        const int ij = i * table_stride(a) + j, ji = j * table_stride(a) + i, rj = j * head_stride(a);
        q_even += grad_z[ij] * k[rj + even];
        q_odd += grad_z[ij] * k[rj + odd];
        k_even += grad_z[ji] * q[rj + even];
        k_odd += grad_z[ji] * q[rj + odd];
        v_even += p[ji] * grad_y[rj + even];
        v_odd += p[ji] * grad_y[rj + odd];
      }
      const int ri = i * head_stride(a);
      grad_k[ri + even] += scale * k_even;
      grad_k[ri + odd] += scale * k_odd;
      grad_v[ri + even] += v_even;
      grad_v[ri + odd] += v_odd;
      store_turned_back(a, i, c, scale * q_even, scale * q_odd,
                        (row + i) * width + head * a.head_dim + even);
    }
    __syncthreads();  // the next head overwrites q, grad_y and the tables
  }
  // A thread wrote the pairs that it reads here.
  for (int at = threadIdx.x; at < a.length * half; at += blockDim.x) {
    const int i = at / half, c = at % half, ri = i * head_stride(a) + 2 * c;
    const Index first = (row + i) * width + 2 * c;
    store_turned_back(a, i, c, grad_k[ri], grad_k[ri + 1], first + key_column);
    store(a.grad_qkv, first + value_column, grad_v[ri], a.half);
    store(a.grad_qkv, first + value_column + 1, grad_v[ri + 1], a.half);
  }
}

// ---- SwiGLU -------------------------------------------------------------------------------------

// A block a value row. silu'(x) = s (1 + x (1 - s)) with s = sigmoid(x).
extern "C" __global__ void swiglu(const SwiGluArguments a) {
  const int row = blockIdx.x, tangent_row = row - (a.value_rows - a.tangent_rows);
  const float* gate = a.x + Index(row) * 2 * a.width;
  const float* up = gate + a.width;
  const Index other = Index(a.value_rows) + tangent_row;
  const float* dgate = a.x + other * 2 * a.width;
  const float* dup = dgate + a.width;
  for (int k = threadIdx.x; k < a.width; k += blockDim.x) {
    const float s = sigmoid(gate[k]), silu = gate[k] * s;
    store(a.y, Index(row) * a.width + k, silu * up[k], a.half);
    if (tangent_row >= 0) {
      const float slope = s * (1.0f + gate[k] * (1.0f - s));
      store(a.y, other * a.width + k, slope * dgate[k] * up[k] + silu * dup[k], a.half);
    }
  }
}

extern "C" __global__ void swiglu_backward(const SwiGluArguments a) {
  const Index row = blockIdx.x;
  const float* gate = a.x + row * 2 * a.width;
  const float* up = gate + a.width;
  for (int k = threadIdx.x; k < a.width; k += blockDim.x) {
    const float s = sigmoid(gate[k]), g = a.grad_y[row * a.width + k];
    store(a.grad_x, row * 2 * a.width + k, g * up[k] * s * (1.0f + gate[k] * (1.0f - s)), a.half);
    store(a.grad_x, row * 2 * a.width + a.width + k, g * gate[k] * s, a.half);
  }
}
