// The GPU kernels of the fused transformer pass, between its matrix products; see arguments.h.
//
// NVRTC compiles this file at run time. A test compiles it for the CPU and emulates the threads of a block, so
// it uses only those features of CUDA that the emulation supports. Every sum has a fixed order, so that equal
// inputs give bit-identical results.
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

// The sums of two values over the block's threads. scratch: 2 * WARP floats of shared memory.
__device__ inline Pair sum_of_block(float first, float second, float* scratch) {
  first = sum_of_warp(first);
  second = sum_of_warp(second);
  __syncthreads();  // until all threads have read the previous sums
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

// Four adjacent floats, which one instruction loads or stores. Widths are multiples of four.
struct alignas(16) Four {
  float x, y, z, w;
};

__device__ inline Four load(const float* from, Index four) {
  return reinterpret_cast<const Four*>(from)[four];
}
__device__ inline void store(float* to, Index four, const Four& v) {
  reinterpret_cast<Four*>(to)[four] = v;
}
__device__ inline Four scaled(const Four& v, float s) {
  return {v.x * s, v.y * s, v.z * s, v.w * s};
}
__device__ inline Four product(const Four& a, const Four& b) {
  return {a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w};
}
__device__ inline void add(Four& sum, const Four& v) {
  sum.x += v.x, sum.y += v.y, sum.z += v.z, sum.w += v.w;
}
__device__ inline void add_scaled(Four& sum, float s, const Four& v) {
  sum.x += s * v.x, sum.y += s * v.y, sum.z += s * v.z, sum.w += s * v.w;
}
__device__ inline float dot(const Four& a, const Four& b) {
  return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}

// The bits of x as a bfloat16, rounded to nearest even.
__device__ inline unsigned rounded(float x) {
  const unsigned bits = __float_as_uint(x);
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return is_nan ? 0x7fc0u : (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

// Writes an operand of a matrix product, as floats or bfloat16.
struct alignas(8) FourHalves {
  unsigned first, second;
};
__device__ inline void store_operand(void* to, Index four, const Four& v, int half) {
  if (!half) {
    store(static_cast<float*>(to), four, v);
    return;
  }
  static_cast<FourHalves*>(to)[four] = {rounded(v.x) | rounded(v.y) << 16,
                                        rounded(v.z) | rounded(v.w) << 16};
}

__device__ inline float inverse_rms_of(float sum_of_squares, int width) {
  return 1.0f / sqrtf(sum_of_squares / width + 1e-6f);
}

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// ---- Depth attention and RMSNorm ----------------------------------------------------------------

// One block per value row, including its tangent if it has one. Ten blocks fit on a multiprocessor, so that all
// 1,280 rows of the default batch run at once.
extern "C" __global__ void __launch_bounds__(kThreads, 10) read_depth(const ReadArguments a) {
  extern __shared__ float shared[];
  float* scratch = shared;
  float* value = scratch + 2 * WARP;
  float* tangent = value + a.width;
  float* weight = tangent + a.width;
  float* weight_tangent = weight + a.num_sources;

  const int row = blockIdx.x, source = a.reader, fours = a.width / 4;
  const int tangent_row = row - (a.value_rows - a.tangent_rows);
  const bool is_dual = tangent_row >= 0;
  const Index first = Index(row) * fours, tangent_first = (Index(a.value_rows) + tangent_row) * fours;
  const Index stride = Index(a.value_rows + a.tangent_rows) * fours;

  // The new source: logit = (v . q) s with s = 1 / rms(v); dlogit = (dv . q) s - logit s^2 mean(v dv).
  float square = 0.0f, along_sum = 0.0f;
  for (int k = threadIdx.x; k < fours; k += blockDim.x) {
    const Four v = load(a.sources, source * stride + first + k);
    Four dv = {0.0f, 0.0f, 0.0f, 0.0f};
    if (is_dual) dv = load(a.sources, source * stride + tangent_first + k);
    store(value, k, v);
    store(tangent, k, dv);
    square += dot(v, v);
    along_sum += dot(v, dv);
  }
  Pair sums = sum_of_block(square, along_sum, scratch);
  float scale = inverse_rms_of(sums.first, a.width);
  float along = scale * scale * sums.second / a.width;
  if (threadIdx.x == 0) a.inverse_rms[Index(row) * a.num_sources + source] = scale;
  const Index table = Index(row) * a.num_readers, tangent_table = Index(tangent_row) * a.num_readers;
  for (int n = a.reader + warp(); n < a.num_readers; n += num_warps()) {
    float sum = 0.0f, tangent_sum = 0.0f;
#pragma unroll 4
    for (int k = lane(); k < fours; k += WARP) {
      const Four q = load(a.queries, Index(n) * fours + k);
      sum += dot(load(value, k), q);
      tangent_sum += dot(load(tangent, k), q);
    }
    for (int offset = WARP / 2; offset > 0; offset /= 2) {
      sum += __shfl_xor_sync(ALL_LANES, sum, offset);
      if (is_dual) tangent_sum += __shfl_xor_sync(ALL_LANES, tangent_sum, offset);
    }
    if (lane() == 0) {
      const float logit = sum * scale;
      a.logits[(table + n) * a.num_sources + source] = logit;
      if (is_dual) {
        a.logit_tangents[(tangent_table + n) * a.num_sources + source] =
            tangent_sum * scale - logit * along;
      }
    }
  }
  __syncthreads();

  // The reader's weights: softmax, and dw_i = w_i (dlogit_i - sum_j w_j dlogit_j).
  if (warp() == 0) {
    const float* logits = a.logits + (table + a.reader) * a.num_sources;
    const float* dlogits =
        is_dual ? a.logit_tangents + (tangent_table + a.reader) * a.num_sources : nullptr;
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

  // The weighted sum of the sources. From here on, each thread reads only its own elements of value and tangent.
  square = along_sum = 0.0f;
  for (int k = threadIdx.x; k < fours; k += blockDim.x) {
    Four h = {0.0f, 0.0f, 0.0f, 0.0f}, dh = h;
    if (is_dual) {
#pragma unroll 4
      for (int i = 0; i <= source; ++i) {
        const Four v = load(a.sources, i * stride + first + k);
        const Four dv = load(a.sources, i * stride + tangent_first + k);
        add_scaled(h, weight[i], v);
        add_scaled(dh, weight_tangent[i], v);
        add_scaled(dh, weight[i], dv);
      }
    } else {
#pragma unroll 8
      for (int i = 0; i <= source; ++i) {
        add_scaled(h, weight[i], load(a.sources, i * stride + first + k));
      }
    }
    store(value, k, h);
    store(tangent, k, dh);
    square += dot(h, h);
    along_sum += dot(h, dh);
    if (a.sum != nullptr) store(a.sum, first + k, h);
    if (a.sum_tangent != nullptr && is_dual) store(a.sum_tangent, Index(tangent_row) * fours + k, dh);
  }
  if (a.norm == nullptr) return;

  // y = w s h; dy = w s (dh - h s^2 mean(h dh)).
  sums = sum_of_block(square, along_sum, scratch);
  scale = inverse_rms_of(sums.first, a.width);
  along = scale * scale * sums.second / a.width;
  for (int k = threadIdx.x; k < fours; k += blockDim.x) {
    const Four w = scaled(load(a.norm, k), scale), h = load(value, k);
    store_operand(a.normed, first + k, product(w, h), a.half);
    if (is_dual) {
      Four dy = load(tangent, k);
      add_scaled(dy, -along, h);
      store_operand(a.normed, tangent_first + k, product(w, dy), a.half);
    }
  }
}

// One block per value row.
extern "C" __global__ void __launch_bounds__(kThreads, 10) read_depth_backward(const ReadBackwardArguments a) {
  extern __shared__ float shared[];
  float* scratch = shared;
  float* grad_sum = scratch + 2 * WARP;
  float* weight = grad_sum + a.width;               // for each reader of this source
  float* coefficient = weight + a.num_readers;      // for each reader of this source
  float* grad_logit = coefficient + a.num_readers;  // for each source of this reader

  const int row = blockIdx.x, source = a.reader, fours = a.width / 4;
  const Index first = Index(row) * fours, table = Index(row) * a.num_readers;
  const Index stride = Index(a.value_rows + a.tangent_rows) * fours;
  const Index sum_stride = Index(a.value_rows) * fours;

  // Collect the results of the later readers, for the gradient of the source below.
  const float inverse_rms = a.inverse_rms[Index(row) * a.num_sources + source];
  float* coefficients = a.coefficients + (Index(source) * a.value_rows + row) * a.num_readers;
  float along_logits = 0.0f;
  for (int n = threadIdx.x; n < a.num_readers; n += blockDim.x) {
    float c = 0.0f;
    if (n > a.reader) {
      const Index entry = (table + n) * a.num_sources + source;
      const float g = a.grad_logits[entry];
      c = g * inverse_rms;
      along_logits += g * a.logits[entry];
      weight[n] = a.weights[entry];
      coefficient[n] = c;
    }
    if (n != a.reader) coefficients[n] = c;
  }

  // RMSNorm, with n = h s: grad_h = s (g w - n mean(g w n)), grad_w = sum over rows of g n.
  const Index own_sum = a.reader * sum_stride + first;
  if (a.norm != nullptr) {
    float square = 0.0f, along_sum = 0.0f;
    for (int k = threadIdx.x; k < fours; k += blockDim.x) {
      const Four h = load(a.sum, first + k);
      square += dot(h, h);
      along_sum += dot(product(load(a.grad_normed, first + k), load(a.norm, k)), h);
    }
    const Pair sums = sum_of_block(square, along_sum, scratch);
    const float scale = inverse_rms_of(sums.first, a.width);
    const float along = scale * scale * sums.second / a.width;
    for (int k = threadIdx.x; k < fours; k += blockDim.x) {
      const Four h = load(a.sum, first + k), g = load(a.grad_normed, first + k);
      Four grad = product(g, load(a.norm, k));
      add_scaled(grad, -along, h);
      grad = scaled(grad, scale);
      store(grad_sum, k, grad);
      store(a.grad_sums, own_sum + k, grad);
      store(a.grad_norm, first + k, scaled(product(g, h), scale));
    }
  } else {
    for (int k = threadIdx.x; k < fours; k += blockDim.x) {
      store(grad_sum, k, load(a.grad_sums, own_sum + k));
    }
  }
  __syncthreads();

  // grad_logit_i = w_i (p_i - sum_j w_j p_j), p_i = grad_h . v_i. A warp takes two sources at a time.
  for (int i = warp(); i <= source; i += 2 * num_warps()) {
    const int j = i + num_warps();
    const bool has_second = j <= source;
    float sum = 0.0f, second_sum = 0.0f;
#pragma unroll 4
    for (int k = lane(); k < fours; k += WARP) {
      const Four g = load(grad_sum, k);
      sum += dot(g, load(a.sources, i * stride + first + k));
      if (has_second) second_sum += dot(g, load(a.sources, j * stride + first + k));
    }
    for (int offset = WARP / 2; offset > 0; offset /= 2) {
      sum += __shfl_xor_sync(ALL_LANES, sum, offset);
      second_sum += __shfl_xor_sync(ALL_LANES, second_sum, offset);
    }
    if (lane() == 0) {
      grad_logit[i] = sum;
      if (has_second) grad_logit[j] = second_sum;
    }
  }
  __syncthreads();
  if (warp() == 0) {
    const Index entry = (table + a.reader) * a.num_sources;
    float mean = 0.0f;
    for (int i = lane(); i <= source; i += WARP) mean += a.weights[entry + i] * grad_logit[i];
    mean = sum_of_warp(mean);
    for (int i = lane(); i <= source; i += WARP) {
      const float grad = a.weights[entry + i] * (grad_logit[i] - mean);
      a.grad_logits[entry + i] = grad;
      if (i == source) {
        along_logits += grad * a.logits[entry + i];
        weight[a.reader] = a.weights[entry + i];
        coefficient[a.reader] = coefficients[a.reader] = grad * inverse_rms;
      }
    }
  }

  // grad_v = sum over its readers of (w grad_h + grad_logit s q) - v s^2 / D sum grad_logit logit.
  const float along =
      sum_of_block(along_logits, 0.0f, scratch).first * inverse_rms * inverse_rms / a.width;
  for (int k = threadIdx.x; k < fours; k += blockDim.x) {
    Four grad = {0.0f, 0.0f, 0.0f, 0.0f};
    if (a.grad_total != nullptr) grad = load(a.grad_total, first + k);
    add_scaled(grad, -along, load(a.sources, source * stride + first + k));
    add_scaled(grad, weight[a.reader], load(grad_sum, k));
    add_scaled(grad, coefficient[a.reader], load(a.queries, Index(a.reader) * fours + k));
#pragma unroll 4
    for (int n = a.reader + 1; n < a.num_readers; ++n) {
      add_scaled(grad, weight[n], load(a.grad_sums, n * sum_stride + first + k));
      add_scaled(grad, coefficient[n], load(a.queries, Index(n) * fours + k));
    }
    store_operand(a.grad_source, first + k, grad, a.half);
  }
}

// ---- Self-attention -----------------------------------------------------------------------------

// The distances between rows in shared memory: head_dim + 1 for rows of a head, and length + 1 for rows of a
// table, which avoids bank conflicts.
__device__ inline int head_stride(const AttendArguments& a) { return a.head_dim + 1; }
__device__ inline int table_stride(const AttendArguments& a) { return a.length + 1; }

// The work of a block: a sample (x), a key and value head (y), and the query heads that share it.
struct Place {
  int first_head, end_head, row_width, key_column, value_column;
  Index row;  // first row of the sample
  float scale;
};

__device__ inline Place place_of(const AttendArguments& a) {
  const int group = a.num_heads / a.num_kv_heads, shared_head = blockIdx.y;
  const int key_column = (a.num_heads + shared_head) * a.head_dim;
  return {shared_head * group,
          (shared_head + 1) * group,
          (a.num_heads + 2 * a.num_kv_heads) * a.head_dim,
          key_column,
          key_column + a.num_kv_heads * a.head_dim,
          Index(blockIdx.x) * a.length,
          1.0f / sqrtf(float(a.head_dim))};
}

// Loads one head of the rows at `rows`.
__device__ inline void load_head(const AttendArguments& a, const float* __restrict__ rows, int width,
                                 int column, float* __restrict__ out) {
  const int fours = a.head_dim / 4;
#pragma unroll 4
  for (int at = threadIdx.x; at < a.length * fours; at += blockDim.x) {
    const int i = at / fours, c = at % fours;
    const Four v = load(rows + Index(i) * width + column, c);
    float* to = out + i * head_stride(a) + 4 * c;
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
  }
}

// The same, with its pairs rotated by their position's angle.
__device__ inline void load_turned(const AttendArguments& a, const float* __restrict__ rows, int width,
                                   int column, float* __restrict__ out) {
  const int fours = a.head_dim / 4;
#pragma unroll 4
  for (int at = threadIdx.x; at < a.length * fours; at += blockDim.x) {
    const int i = at / fours, c = at % fours;
    const Four v = load(rows + Index(i) * width + column, c);
    const float* cosine = a.cosine + 2 * at;
    const float* sine = a.sine + 2 * at;
    float* to = out + i * head_stride(a) + 4 * c;
    to[0] = v.x * cosine[0] - v.y * sine[0];
    to[1] = v.x * sine[0] + v.y * cosine[0];
    to[2] = v.z * cosine[1] - v.w * sine[1];
    to[3] = v.z * sine[1] + v.w * cosine[1];
  }
}

// Rotates four adjacent elements of a gradient in row i back, and writes them.
__device__ inline void store_turned_back(const AttendArguments& a, int i, int c, const Four& v,
                                         Index four) {
  const float* cosine = a.cosine + i * (a.head_dim / 2) + 2 * c;
  const float* sine = a.sine + i * (a.head_dim / 2) + 2 * c;
  store_operand(a.grad_qkv, four,
                {v.x * cosine[0] + v.y * sine[0], v.y * cosine[0] - v.x * sine[0],
                 v.z * cosine[1] + v.w * sine[1], v.w * cosine[1] - v.z * sine[1]},
                a.half);
}

__device__ inline Four four_of(const float* x) { return {x[0], x[1], x[2], x[3]}; }

__device__ inline float dot_of_rows(const float* x, const float* y, int size) {
  float sum = 0.0f;
#pragma unroll 8
  for (int k = 0; k < size; ++k) sum += x[k] * y[k];
  return sum;
}

// Applies softmax to every row of p. If `x` is not null, x_ij <- p_ij (x_ij - sum_k p_ik x_ik): the derivative
// of softmax, which is the same in forward and reverse mode.
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

// Multiplies a table of the block's sample by the dropout mask of `head`. Each thread changes the elements that it
// has in softmax_rows(), so that no barrier is needed in between.
__device__ inline void drop_rows(const AttendArguments& a, int head, float* p) {
  if (a.mask == nullptr) return;
  const float* mask = a.mask + (Index(blockIdx.x) * a.num_heads + head) * a.length * a.length;
  for (int i = warp(); i < a.length; i += num_warps()) {
    for (int j = lane(); j < a.length; j += WARP) p[i * table_stride(a) + j] *= mask[i * a.length + j];
  }
}

// One block per sample (x) and key head (y).
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

  const Place place = place_of(a);
  const int tangent_sample = int(blockIdx.x) - (a.samples - a.tangent_samples);
  const bool is_dual = tangent_sample >= 0;
  const int width = place.row_width, fours = a.head_dim / 4, out_fours = a.num_heads * fours;
  const Index row = place.row;
  const Index tangent_row = (Index(a.samples) + tangent_sample) * a.length;
  const float* rows = a.qkv + row * width;
  const float* tangent_rows = a.qkv + tangent_row * width;

  load_turned(a, rows, width, place.key_column, k);
  load_head(a, rows, width, place.value_column, v);
  if (is_dual) {
    load_turned(a, tangent_rows, width, place.key_column, dk);
    load_head(a, tangent_rows, width, place.value_column, dv);
  }
  for (int head = place.first_head; head < place.end_head; ++head) {
    load_turned(a, rows, width, head * a.head_dim, q);
    if (is_dual) load_turned(a, tangent_rows, width, head * a.head_dim, dq);
    __syncthreads();
    for (int at = threadIdx.x; at < a.length * a.length; at += blockDim.x) {
      const int i = at / a.length, j = at % a.length;
      const int qi = i * head_stride(a), kj = j * head_stride(a), ij = i * table_stride(a) + j;
      p[ij] = place.scale * dot_of_rows(q + qi, k + kj, a.head_dim);
      if (is_dual) {
        dp[ij] = place.scale * (dot_of_rows(dq + qi, k + kj, a.head_dim) +
                          dot_of_rows(q + qi, dk + kj, a.head_dim));
      }
    }
    __syncthreads();
    softmax_rows(a, p, is_dual ? dp : nullptr);
    drop_rows(a, head, p);
    if (is_dual) drop_rows(a, head, dp);
    __syncthreads();
    for (int at = threadIdx.x; at < a.length * fours; at += blockDim.x) {
      const int i = at / fours, c = at % fours;
      Four y = {0.0f, 0.0f, 0.0f, 0.0f}, dy = y;
#pragma unroll 4
      for (int j = 0; j < a.length; ++j) {
        const int ij = i * table_stride(a) + j, jc = j * head_stride(a) + 4 * c;
        const Four value = four_of(v + jc);
        add_scaled(y, p[ij], value);
        if (is_dual) {
          add_scaled(dy, dp[ij], value);
          add_scaled(dy, p[ij], four_of(dv + jc));
        }
      }
      const Index column = head * fours + c;
      store_operand(a.y, (row + i) * out_fours + column, y, a.half);
      if (is_dual) store_operand(a.y, (tangent_row + i) * out_fours + column, dy, a.half);
    }
    __syncthreads();  // the next head overwrites q and p
  }
}

// One block per sample (x) and key head (y). With grad_p_ij = grad_y_i . v_j, the gradients of v, q and k are
// weighted sums with the weights p, grad_z (z: the logits) and its transpose.
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

  const Place place = place_of(a);
  const int width = place.row_width, out_width = a.num_heads * a.head_dim, fours = a.head_dim / 4;
  const Index row = place.row;
  const float scale = place.scale;
  const float* rows = a.qkv + row * width;

  load_turned(a, rows, width, place.key_column, k);
  load_head(a, rows, width, place.value_column, v);
  for (int at = threadIdx.x; at < head_size; at += blockDim.x) grad_k[at] = grad_v[at] = 0.0f;
  for (int head = place.first_head; head < place.end_head; ++head) {
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
    drop_rows(a, head, grad_z);
    softmax_rows(a, p, grad_z);
    drop_rows(a, head, p);
    __syncthreads();
    for (int at = threadIdx.x; at < a.length * fours; at += blockDim.x) {
      const int i = at / fours, c = at % fours;
      Four sum_q = {0.0f, 0.0f, 0.0f, 0.0f}, sum_k = sum_q, sum_v = sum_q;
#pragma unroll 4
      for (int j = 0; j < a.length; ++j) {
        const int ij = i * table_stride(a) + j, ji = j * table_stride(a) + i;
        const int jc = j * head_stride(a) + 4 * c;
        add_scaled(sum_q, grad_z[ij], four_of(k + jc));
        add_scaled(sum_k, grad_z[ji], four_of(q + jc));
        add_scaled(sum_v, p[ji], four_of(grad_y + jc));
      }
      float* of_k = grad_k + i * head_stride(a) + 4 * c;
      float* of_v = grad_v + i * head_stride(a) + 4 * c;
      of_k[0] += scale * sum_k.x, of_k[1] += scale * sum_k.y;
      of_k[2] += scale * sum_k.z, of_k[3] += scale * sum_k.w;
      of_v[0] += sum_v.x, of_v[1] += sum_v.y, of_v[2] += sum_v.z, of_v[3] += sum_v.w;
      store_turned_back(a, i, c, scaled(sum_q, scale), ((row + i) * width + head * a.head_dim) / 4 + c);
    }
    __syncthreads();  // the next head overwrites q, grad_y and the tables
  }
  // Each thread reads only elements that it wrote itself.
  for (int at = threadIdx.x; at < a.length * fours; at += blockDim.x) {
    const int i = at / fours, c = at % fours, ic = i * head_stride(a) + 4 * c;
    const Index first = (row + i) * width;
    store_turned_back(a, i, c, four_of(grad_k + ic), (first + place.key_column) / 4 + c);
    store_operand(a.grad_qkv, (first + place.value_column) / 4 + c, four_of(grad_v + ic), a.half);
  }
}

// ---- SwiGLU -------------------------------------------------------------------------------------

struct Activation {
  Four value, slope;  // silu(x), and silu'(x) = s (1 + x (1 - s)) with s = sigmoid(x)
};

__device__ inline Activation silu(const Four& x) {
  const Four s = {sigmoid(x.x), sigmoid(x.y), sigmoid(x.z), sigmoid(x.w)};
  return {product(x, s),
          {s.x * (1.0f + x.x * (1.0f - s.x)), s.y * (1.0f + x.y * (1.0f - s.y)),
           s.z * (1.0f + x.z * (1.0f - s.z)), s.w * (1.0f + x.w * (1.0f - s.w))}};
}

// One block per value row.
extern "C" __global__ void swiglu(const SwiGluArguments a) {
  const int row = blockIdx.x, tangent_row = row - (a.value_rows - a.tangent_rows);
  const int fours = a.width / 4;
  const Index other = Index(a.value_rows) + tangent_row;
  const float* gate = a.x + Index(row) * 2 * a.width;
  const float* tangent = a.x + other * 2 * a.width;
#pragma unroll 2
  for (int k = threadIdx.x; k < fours; k += blockDim.x) {
    const Four up = load(gate, fours + k);
    const Activation activation = silu(load(gate, k));
    if (tangent_row >= 0) {
      Four dy = product(product(activation.slope, load(tangent, k)), up);
      add(dy, product(activation.value, load(tangent, fours + k)));
      store_operand(a.y, other * fours + k, dy, a.half);
    }
    store_operand(a.y, Index(row) * fours + k, product(activation.value, up), a.half);
  }
}

extern "C" __global__ void swiglu_backward(const SwiGluArguments a) {
  const int fours = a.width / 4;
  const Index row = blockIdx.x;
  const float* gate = a.x + row * 2 * a.width;
#pragma unroll 2
  for (int k = threadIdx.x; k < fours; k += blockDim.x) {
    const Four up = load(gate, fours + k), g = load(a.grad_y, row * fours + k);
    const Activation activation = silu(load(gate, k));
    store_operand(a.grad_x, row * 2 * fours + k, product(product(g, up), activation.slope), a.half);
    store_operand(a.grad_x, row * 2 * fours + fours + k, product(g, activation.value), a.half);
  }
}
