#include "modules/attnres/packed_weights.h"

#include <ATen/ATen.h>

#include <cstdint>

#include "modules/attnres/gemm.h"

namespace roboimi::attnres {
namespace {

// Elements to read from each parameter. An update changes nearly all elements, so it is missed only
// if all of these elements stay the same in all parameters.
constexpr std::int64_t kProbes = 8;

template <typename T>
void probe(const at::Tensor& parameter, std::vector<double>& out) {
  const T* data = parameter.const_data_ptr<T>();
  const std::int64_t last = parameter.numel() - 1;
  for (std::int64_t i = 0; i < kProbes; ++i) out.push_back(double(data[last * i / (kProbes - 1)]));
}

}  // namespace

std::vector<double> fingerprint_of(const std::vector<at::Tensor>& parameters) {
  std::vector<double> fingerprint;
  fingerprint.reserve(parameters.size() * (kProbes + 1));
  for (const at::Tensor& parameter : parameters) {
    const auto address = reinterpret_cast<std::uintptr_t>(parameter.const_data_ptr());
    fingerprint.push_back(double(address));
    parameter.scalar_type() == at::kDouble ? probe<double>(parameter, fingerprint)
                                           : probe<float>(parameter, fingerprint);
  }
  return fingerprint;
}

const FusedWeights& PackedWeights::get(const std::vector<at::Tensor>& parameters, std::int64_t rows,
                                       bool half_precision,
                                       const std::function<FusedWeights()>& make) {
  std::vector<double> fingerprint = fingerprint_of(parameters);
  if (rows == rows_ && half_precision == half_precision_ && fingerprint == fingerprint_) {
    return weights_;
  }
  // Repack the changed weights.
  weights_ = make();
  for (FusedWeights::SubLayer& layer : weights_.layers) {
    layer.in = prepack(layer.in, rows, half_precision);
    layer.out = prepack(layer.out, rows, half_precision);
  }
  weights_.queries = weights_.queries.clone();
  rows_ = rows;
  half_precision_ = half_precision;
  fingerprint_ = std::move(fingerprint);
  return weights_;
}

}  // namespace roboimi::attnres
