// What a VlaAgent computes for its actors: it encodes observations and samples plans.
#include <torch/utils.h>

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "plugins/vla_agent/vla_actor.h"
#include "plugins/vla_agent/vla_agent.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/mode_guard.h"

namespace roboimi::vla_agent {
namespace {

// Stacks the parts along a new first dimension; undefined if there are none.
at::Tensor stack(const std::vector<at::Tensor>& parts) {
  return parts.empty() ? at::Tensor() : at::stack(parts);
}

// The values of a stream, [N, ...]; undefined if an observation lacks it.
at::Tensor stacked(std::span<const Observation* const> observations, const std::string& stream) {
  std::vector<at::Tensor> values;
  for (const Observation* observation : observations) {
    values.push_back(observation->get(stream));
    if (!values.back().defined()) return {};
  }
  return values.size() == 1 ? values.front().unsqueeze(0) : at::stack(values);
}

bool is_any_part_training(const torch::nn::Module& module) {
  return module.is_training() || std::ranges::any_of(module.children(), [](const auto& part) {
           return is_any_part_training(*part);
         });
}

// Evaluation mode for a computation of an actor, regardless of the mode in which the caller left
// the model.
class EvaluationMode {
 public:
  explicit EvaluationMode(torch::nn::Module& model) {
    if (is_any_part_training(model)) guard_.emplace(model, /*training=*/false);
  }

 private:
  std::optional<ModeGuard> guard_;
};

}  // namespace

// Normalized features [N, V] of one batch: each observation is a sample of one step.
at::Tensor VlaAgent::encode_images(std::span<const Observation* const> observations) {
  Observation batch;
  for (const std::string& stream : backbone_->stream_names()) {
    const at::Tensor values = stacked(observations, stream);
    // The backbone reports missing streams.
    if (values.defined()) batch[stream] = values.to(device()).unsqueeze(1);
  }
  at::Generator unused = make_generator(0, device());
  const std::lock_guard lock(models_);
  const EvaluationMode evaluation(*backbone_);
  const at::Tensor features = feature_normalizer_->normalize(backbone_->encode(batch, unused));
  return features.reshape({std::ssize(observations), -1});
}

std::vector<EncodedObservation> VlaAgent::encode(
    const std::vector<const Observation*>& observations, bool with_images,
    std::int64_t largest_batch) {
  if (observations.empty()) return {};
  const torch::NoGradGuard no_grad;
  at::Tensor features;
  if (with_images) {
    const auto size = static_cast<std::size_t>(largest_batch);
    std::vector<at::Tensor> batches;
    for (std::size_t first = 0; first < observations.size(); first += size) {
      const std::size_t count = std::min(size, observations.size() - first);
      batches.push_back(encode_images(std::span(observations).subspan(first, count)));
    }
    features = at::cat(batches);
  }
  const auto values_of = [&](const char* name) {
    return stacked(observations, name).to(device(), at::kFloat);
  };
  at::Tensor states, env_states;
  if (state_normalizer_) states = normalized_state(values_of(kState));
  if (env_state_normalizer_) env_states = env_state_normalizer_->normalize(values_of(kEnvState));

  // One row for each observation.
  std::vector<EncodedObservation> encoded;
  for (std::size_t i = 0; i < observations.size(); ++i) {
    const auto row_of = [row = static_cast<std::int64_t>(i)](const at::Tensor& rows) {
      return rows.defined() ? rows[row] : at::Tensor();
    };
    encoded.push_back(
        {.features = row_of(features), .state = row_of(states), .env_state = row_of(env_states)});
    if (text_) {
      encoded.back().text = text_->embed_one(observations[i]->at(options_.language.stream));
    }
  }
  return encoded;
}

Condition VlaAgent::condition_of(const std::vector<EncodedObservation>& steps) const {
  std::vector<at::Tensor> features, states, env_states, texts;
  for (const EncodedObservation& step : steps) {
    if (backbone_) features.push_back(step.features);
    if (state_normalizer_) states.push_back(step.state);
    if (env_state_normalizer_) env_states.push_back(step.env_state);
    if (text_) texts.push_back(step.text);
  }

  // Stacked over the steps, as a batch of one.
  const auto batch_of_one = [](const std::vector<at::Tensor>& parts) {
    return parts.empty() ? at::Tensor() : stack(parts).unsqueeze(0);
  };
  const at::Tensor stacked = batch_of_one(features);
  const at::Tensor cond = build_cond(condition_, stacked, batch_of_one(states),
                                     batch_of_one(env_states), batch_of_one(texts));
  const at::Tensor tokens = tokens_of(stacked);
  return {cond.squeeze(0), tokens.defined() ? tokens.squeeze(0) : at::Tensor()};
}

// The features as one token per camera and step: [B, T, V] -> [B, T * cameras, D].
at::Tensor VlaAgent::tokens_of(const at::Tensor& features) const {
  if (!features.defined()) return {};
  return features.reshape({features.size(0), -1, backbone_->output_dim()});
}

std::vector<PlanRequest> VlaAgent::request_plans(const std::vector<Actor*>& actors) {
  VlaActor::Steps steps;
  for (Actor* actor : actors) {
    for (auto& step : dynamic_cast<VlaActor&>(*actor).steps_of_plan()) {
      steps.push_back(std::move(step));
    }
  }
  VlaActor::encode(*this, steps);
  return Agent::request_plans(actors);
}

// Requests are batched by the length of their prefix.
at::Tensor VlaAgent::sample_plans(const std::vector<PlanRequest>& requests) {
  std::map<std::int64_t, std::vector<std::size_t>> by_prefix;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const at::Tensor& prefix = requests[i].prefix;
    by_prefix[prefix.defined() ? prefix.size(0) : 0].push_back(i);
  }

  // One call of the head per batch; chunks are returned in the order of the requests.
  std::vector<at::Tensor> chunks(requests.size());
  for (const auto& [length, rows] : by_prefix) {
    std::vector<at::Tensor> steps, tokens, prefixes;
    std::vector<at::Generator> noise;
    for (const std::size_t row : rows) {
      steps.push_back(requests[row].condition.steps);
      if (backbone_) tokens.push_back(requests[row].condition.tokens);
      noise.push_back(requests[row].noise);
      if (length > 0) prefixes.push_back(requests[row].prefix);
    }
    const at::Tensor sampled =
        sample({stack(steps), stack(tokens)}, BatchGenerator(std::move(noise)), stack(prefixes));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      chunks[rows[i]] = sampled[static_cast<std::int64_t>(i)];
    }
  }
  return at::stack(chunks);
}

// Calls the head and checks its output, float [N, H, A] with the head's A.
at::Tensor VlaAgent::sample(const Condition& condition, const BatchGenerator& noise,
                            const at::Tensor& prefix) {
  const torch::NoGradGuard no_grad;
  const at::Tensor chunks = [&] {
    const std::lock_guard lock(models_);
    const EvaluationMode evaluation(*head_);
    return head_->sample(condition, noise, prefix);
  }();
  const std::int64_t count = condition.steps.size(0);
  const bool is_batch = chunks.defined() && chunks.dim() == 3 && chunks.size(0) == count;
  check_chunk(execution(), is_batch ? chunks[0] : chunks, head_->name());
  return chunks.to(at::kFloat);
}

}  // namespace roboimi::vla_agent
