#include "roboimi/train/probe.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/data/checked_reads.h"

namespace roboimi {
namespace {

constexpr double kStdFloor = 1e-6;  // for elements of the representation that are nearly constant

// Ridge regression on standardized inputs, in double precision.
class Ridge {
 public:
  Ridge(const at::Tensor& inputs, double ridge) : mean_(inputs.mean(0)) {
    const at::Tensor centered = inputs - mean_;
    scale_ = centered.square().mean(0).sqrt().clamp_min(kStdFloor).reciprocal();
    standardized_ = centered * scale_;
    const auto rows = static_cast<double>(inputs.size(0));
    const at::Tensor gram = standardized_.t().mm(standardized_) +
                            ridge * rows * at::eye(inputs.size(1), inputs.options());
    factor_ = at::linalg_cholesky(gram);
  }

  // Fits `target` [N, k] to the constructor's inputs and predicts it for other `inputs`.
  at::Tensor predict(const at::Tensor& target, const at::Tensor& inputs) const {
    const at::Tensor offset = target.mean(0);
    const at::Tensor weights = at::cholesky_solve(standardized_.t().mm(target - offset), factor_);
    return ((inputs - mean_) * scale_).mm(weights) + offset;
  }

 private:
  at::Tensor mean_, scale_, standardized_, factor_;
};

void check(const ProbeData& train, const ProbeData& held_out) {
  if (train.first.size() < 2 || held_out.first.size() < 2) {
    throw Error({.what = "a probe needs training episodes and held-out episodes",
                 .expected = "at least one of each",
                 .found = fmt::format("{} and {}", std::max<std::size_t>(train.first.size(), 1) - 1,
                                      std::max<std::size_t>(held_out.first.size(), 1) - 1),
                 .next = "hold out some episodes; collect more if there are too few"});
  }
  for (const ProbeData* data : {&train, &held_out}) {
    for (const auto& [name, values] : data->labels) {
      if (values.dim() == 2 && values.size(0) == data->representation.size(0)) continue;
      throw Error({.what = fmt::format("the label '{}' does not fit the representation", name),
                   .expected = fmt::format("{} rows", data->representation.size(0)),
                   .found = describe_tensor(values)});
    }
  }
  for (const auto& [name, values] : train.labels) {
    const auto found = held_out.labels.find(name);
    if (found != held_out.labels.end() && found->second.size(1) == values.size(1)) continue;
    throw Error({.what = fmt::format("the label '{}' differs between episodes", name),
                 .next = "probe episodes that were collected with the same labels"});
  }
}

// Squared error and squared deviation from the training mean, summed per episode: [E], [E].
std::pair<at::Tensor, at::Tensor> sums_by_episode(const at::Tensor& target,
                                                  const at::Tensor& prediction,
                                                  const at::Tensor& mean,
                                                  const std::vector<std::int64_t>& first) {
  const at::Tensor error = (target - prediction).square().sum(1);
  const at::Tensor deviation = (target - mean).square().sum(1);
  std::vector<at::Tensor> errors, deviations;
  for (std::size_t i = 0; i + 1 < first.size(); ++i) {
    errors.push_back(error.slice(0, first[i], first[i + 1]).sum());
    deviations.push_back(deviation.slice(0, first[i], first[i + 1]).sum());
  }
  return {at::stack(errors), at::stack(deviations)};
}

}  // namespace

std::vector<ProbeResult> linear_probes(const ProbeData& train, const ProbeData& held_out,
                                       const ProbeOptions& options) {
  check(train, held_out);
  // Standardize the inputs and draw the bootstrap samples, which all labels share.
  const torch::NoGradGuard no_grad;
  const at::Tensor inputs = held_out.representation.to(at::kDouble);
  const Ridge ridge(train.representation.to(at::kDouble), options.ridge);
  const std::int64_t num_episodes = std::ssize(held_out.first) - 1;
  at::Generator generator = make_generator(options.seed);
  const at::Tensor resamples = at::randint(0, num_episodes, {options.num_resamples, num_episodes},
                                           generator, at::TensorOptions(at::kLong));
  const at::Tensor limits = at::tensor({0.025, 0.975}, at::kDouble);

  // Fit each label and evaluate it on the held-out episodes.
  std::vector<ProbeResult> results;
  for (const auto& [name, values] : train.labels) {
    const at::Tensor fitted = values.to(at::kDouble);
    const at::Tensor target = held_out.labels.at(name).to(at::kDouble);
    const auto [error, deviation] =
        sums_by_episode(target, ridge.predict(fitted, inputs), fitted.mean(0), held_out.first);
    const at::Tensor resampled =
        1.0 - error.index({resamples}).sum(1) / deviation.index({resamples}).sum(1);
    const at::Tensor interval = at::quantile(resampled, limits);
    results.push_back(
        {.name = name,
         .r2 = 1.0 - (error.sum() / deviation.sum()).item<double>(),
         .r2_low = interval[0].item<double>(),
         .r2_high = interval[1].item<double>(),
         .rmse = (error.sum() / static_cast<double>(inputs.size(0))).sqrt().item<double>()});
  }
  return results;
}

std::map<std::string, at::Tensor> probe_labels(const Dataset& dataset,
                                               const std::vector<std::int64_t>& episodes) {
  std::map<std::string, std::vector<at::Tensor>> parts;
  for (const std::int64_t episode : episodes) {
    std::map<std::string, at::Tensor> own = read_labels(dataset, episode);
    // The state itself replaces a label of that name.
    if (const at::Tensor state = read_state(dataset, episode); state.defined()) own[kState] = state;
    for (const auto& [name, values] : own) {
      std::vector<at::Tensor>& former = parts[name];
      if (!former.empty() && former.front().size(1) != values.size(1)) {
        throw Error({.what = fmt::format("the label '{}' has another size than before", name),
                     .where = dataset.episode(episode).file.string(),
                     .expected = fmt::format("{} columns", former.front().size(1)),
                     .found = std::to_string(values.size(1)),
                     .next = "probe episodes that were recorded with the same labels"});
      }
      former.push_back(values);
    }
  }
  std::map<std::string, at::Tensor> labels;
  for (const auto& [name, values] : parts) {
    // Omit labels that only some episodes have.
    if (values.size() == episodes.size()) labels[name] = at::cat(values);
  }
  return labels;
}

}  // namespace roboimi
