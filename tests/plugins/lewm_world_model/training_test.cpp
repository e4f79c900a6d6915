// Properties that training relies on: random numbers only from the given generator, mixed
// precision, and batches shared by several processes.
#include <gmock/gmock.h>

#include <array>
#include <barrier>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/contract/autocast.h"
#include "roboimi/contract/communicator.h"
#include "tests/device_traffic.h"
#include "tests/plugins/lewm_world_model/world_model_cases.h"

namespace roboimi::lewm_world_model {
namespace {

using ::testing::HasSubstr;

WorldModelOptions with_dropout() {
  WorldModelOptions options = golden_options();
  options.predictor.dropout = 0.3;
  return options;
}

double loss_with_seed(LewmWorldModel& model, std::uint64_t seed) {
  at::Generator generator = make_generator(seed);
  return model.loss(golden_batch(at::kDouble, at::kDouble), generator).loss.item<double>();
}

TEST(LewmWorldModel, DrawsDropoutAndDirectionsOnlyFromTheGenerator) {
  const auto model = golden_model(at::kDouble, with_dropout());
  const at::Tensor before = at::detail::getDefaultCPUGenerator().get_state();
  const double first = loss_with_seed(*model, 1);
  EXPECT_EQ(loss_with_seed(*model, 1), first);
  EXPECT_NE(loss_with_seed(*model, 2), first);
  EXPECT_TRUE(at::equal(at::detail::getDefaultCPUGenerator().get_state(), before));
}

TEST(LewmWorldModel, AppliesNoDropoutInEvaluation) {
  const auto with = golden_model(at::kDouble, with_dropout()), without = golden_model();
  EXPECT_GT(distance(golden_objective(*with).metrics.at("prediction_error"),
                     golden_objective(*without).metrics.at("prediction_error")),
            1e-4);
  // Training mode has changed the running statistics, so both are reset.
  with->eval();
  without->eval();
  fill_from_golden(*with);
  fill_from_golden(*without);
  EXPECT_LT(distance(golden_objective(*with).loss, golden_objective(*without).loss), 1e-9);
}

TEST(LewmWorldModel, ChangesLittleInMixedPrecision) {
  const auto model = golden_model(at::kFloat);
  const LossReport full = golden_objective(*model, at::kFloat);
  const LossReport mixed = [&] {
    const Autocast autocast(at::kCPU, true);
    return golden_objective(*model, at::kFloat);
  }();
  EXPECT_EQ(mixed.loss.scalar_type(), at::kFloat);
  EXPECT_FALSE(at::equal(mixed.loss, full.loss));
  EXPECT_LT(distance(mixed.loss, full.loss), 2e-2);
  mixed.loss.backward();
  for (const auto& parameter : model->named_parameters()) {
    EXPECT_TRUE(parameter.value().grad().isfinite().all().item<bool>()) << parameter.key();
  }
}

TEST(LewmWorldModel, TrainsWithoutHostDeviceTransfers) {
  const auto model = golden_model(at::kFloat, with_dropout());
  const Batch batch = golden_batch(at::kHalf, at::kFloat);
  at::Generator generator = make_generator(1);
  EXPECT_EQ(device_traffic_of([&] { model->loss(batch, generator).loss.backward(); }), "");
}

TEST(LewmWorldModel, AcceptsPixelsInHalfPrecision) {
  const auto model = golden_model(at::kFloat);
  at::Generator generator = make_generator(1), same = make_generator(1);
  const at::Tensor half = model->loss(golden_batch(at::kHalf, at::kFloat), generator).loss;
  const at::Tensor full = model->loss(golden_batch(at::kFloat, at::kFloat), same).loss;
  EXPECT_LT(distance(half, full), 1e-2);
}

TEST(SigReg, IgnoresMixedPrecision) {
  const lewm::SigReg sigreg({});
  const at::Tensor z = golden("sigreg.z").to(at::kFloat);
  const at::Tensor directions = golden("data.directions").to(at::kFloat);
  const at::Tensor full = sigreg.statistic(z, directions);
  const Autocast autocast(at::kCPU, true);
  EXPECT_TRUE(at::equal(sigreg.statistic(z, directions), full));
}

TEST(SigReg, DrawsUnitDirections) {
  at::Generator generator = make_generator(3);
  const at::Tensor directions = lewm::SigReg({.projections = 50}).draw(12, generator, at::kCPU);
  EXPECT_EQ(directions.sizes(), (std::vector<std::int64_t>{12, 50}));
  EXPECT_LT((directions.square().sum(0) - 1).abs().max().item<double>(), 1e-6);
}

TEST(SigReg, DistinguishesAGaussianFromACollapse) {
  const lewm::SigReg sigreg({});
  at::Generator generator = make_generator(4);
  const at::Tensor directions = sigreg.draw(16, generator, at::kCPU);
  const at::Tensor gaussian = at::randn({256, 2, 16}, generator);
  const double healthy = sigreg.statistic(gaussian, directions).item<double>();
  const double collapsed = sigreg.statistic(gaussian * 1e-3, directions).item<double>();
  // The expected value is twice the integral of (1 - e^(-t^2)) e^(-t^2/2) over [0, 3].
  EXPECT_NEAR(healthy, 1.06, 0.3);
  EXPECT_GT(collapsed, 50 * healthy);
}

// Two processes, each with half of the batch.
TEST(SigReg, OfASharedBatchEqualsThatOfTheWholeBatch) {
  const lewm::SigReg sigreg({});
  const at::Tensor directions = golden("data.directions");
  const at::Tensor whole = golden("sigreg.z").slice(0, 0, 8).clone().requires_grad_();
  const at::Tensor expected = sigreg.statistic(whole, directions);
  expected.backward();

  const at::Tensor joined = golden("sigreg.z").slice(0, 0, 8).clone().requires_grad_();
  const std::vector<at::Tensor> halves = joined.chunk(2, 0);
  // A first pass records the means that an all-reduce would exchange.
  std::vector<at::Tensor> local(2);
  for (int i = 0; i < 2; ++i) {
    const auto record = [&](const at::Tensor& mean) { return local[i] = mean; };
    sigreg.statistic(halves[i], directions, {.processes = 2, .average = record});
  }
  const auto average = [&](const at::Tensor&) { return (local[0] + local[1]) / 2; };
  for (int i = 0; i < 2; ++i) {
    const lewm::SharedBatch shared{.processes = 2, .average = average};
    const at::Tensor found = sigreg.statistic(halves[i], directions, shared);
    EXPECT_LT(distance(found, expected), 1e-12) << i;
  }
  sigreg.statistic(halves[0], directions, {.processes = 2, .average = average}).backward();
  EXPECT_LT(distance(joined.grad(), whole.grad()), 1e-12);
}

// Data shared by two threads that stand in for processes.
struct Exchange {
  std::barrier<> barrier{2};
  std::array<at::Tensor, 2> given;
};

class ThreadCommunicator : public Communicator {
 public:
  ThreadCommunicator(Exchange& exchange, std::int64_t rank) : exchange_(exchange), rank_(rank) {}
  std::int64_t rank() const override { return rank_; }
  std::int64_t size() const override { return 2; }
  void all_reduce(at::Tensor& tensor) override {
    give(tensor);
    tensor.copy_(exchange_.given[0] + exchange_.given[1]);
    barrier();
  }
  void broadcast(at::Tensor& tensor, std::int64_t root) override {
    give(tensor);
    tensor.copy_(exchange_.given.at(static_cast<std::size_t>(root)));
    barrier();
  }
  void barrier() override { exchange_.barrier.arrive_and_wait(); }
  std::int64_t local_rank() const override { return rank_; }
  void finish() override {}

 private:
  void give(const at::Tensor& tensor) {
    exchange_.given.at(static_cast<std::size_t>(rank_)) = tensor.detach().clone();
    barrier();
  }

  Exchange& exchange_;
  std::int64_t rank_;
};

// Evaluation mode excludes BatchNorm from the comparison, since it uses each process's own part of
// the batch, as upstream does.
TEST(LewmWorldModel, TrainedByTwoProcessesUsesTheWholeBatch) {
  Batch whole = golden_batch(at::kDouble, at::kDouble);
  const std::int64_t half = whole.features.size(0) / 2;
  whole.features = whole.features.slice(0, 0, 2 * half);
  whole.actions = whole.actions.slice(0, 0, 2 * half);
  const auto single = golden_model();
  single->eval();
  at::Generator generator = make_generator(5);
  const LossReport expected = single->loss(whole, generator);
  expected.loss.backward();

  Exchange exchange;
  std::array<std::shared_ptr<LewmWorldModel>, 2> models = {golden_model(), golden_model()};
  std::array<double, 2> sigreg{};
  auto process = [&](std::int64_t rank) {
    const auto i = static_cast<std::size_t>(rank);
    ThreadCommunicator communicator(exchange, rank);
    models[i]->eval();
    models[i]->share_batches(communicator);
    Batch part = whole;
    part.features = whole.features.slice(0, rank * half, (rank + 1) * half);
    part.actions = whole.actions.slice(0, rank * half, (rank + 1) * half);
    at::Generator own = make_generator(rank == 0 ? 5 : 99);  // one per process, as in the trainer
    const LossReport report = models[i]->loss(part, own);
    report.loss.backward();
    sigreg[i] = report.metrics.at("sigreg").item<double>();
  };
  std::thread other(process, 1);
  process(0);
  other.join();

  EXPECT_NEAR(sigreg[0], expected.metrics.at("sigreg").item<double>(), 1e-10);
  EXPECT_EQ(sigreg[0], sigreg[1]);
  const auto wanted = single->named_parameters();
  for (const auto& parameter : wanted) {
    if (!parameter.value().grad().defined()) continue;
    const at::Tensor found = (models[0]->named_parameters()[parameter.key()].grad() +
                              models[1]->named_parameters()[parameter.key()].grad()) /
                             2;
    // An absolute distance, since some gradients are zero except for rounding.
    EXPECT_LT((found - parameter.value().grad()).abs().max().item<double>(), 1e-11)
        << parameter.key();
  }
}

TEST(LewmWorldModel, ShowsACollapseInItsMetrics) {
  const auto model = golden_model();
  const double healthy = golden_objective(*model).metrics.at("embedding_std").item<double>();
  {
    const torch::NoGradGuard no_grad;
    model->projector->last()->weight.zero_();
  }
  const LossReport report = golden_objective(*model);
  EXPECT_GT(healthy, 0.1);
  EXPECT_LT(report.metrics.at("embedding_std").item<double>(), 1e-12);
  EXPECT_LT(report.metrics.at("copy_last_error").item<double>(), 1e-20);
}

// The prediction error alone cannot be the loss: it is 0 if all frames map to one point.
TEST(LewmWorldModel, HasOnlySigRegLossIfAllFramesMapToOnePoint) {
  const auto model = golden_model();
  const double healthy = golden_objective(*model).metrics.at("sigreg").item<double>();
  {
    const torch::NoGradGuard no_grad;
    for (const vit::MlpProjector& projector : {model->projector, model->pred_proj}) {
      projector->last()->weight.zero_();
      projector->last()->bias.zero_();
    }
  }
  const LossReport report = golden_objective(*model);
  EXPECT_EQ(report.metrics.at("prediction_error").item<double>(), 0.0);
  EXPECT_GT(report.metrics.at("sigreg").item<double>(), healthy);
  EXPECT_LT(distance(report.loss, golden_options().sigreg_weight * report.metrics.at("sigreg")),
            1e-12);
}

TEST(LewmWorldModel, RequestsClipsOfFramesAndAllActionsBetween) {
  const auto model = golden_model();
  const Horizons& horizons = model->horizons();
  EXPECT_EQ(horizons.obs, 4);
  EXPECT_EQ(horizons.obs_stride, kGoldenSkip);
  EXPECT_EQ(horizons.pred, 4 * kGoldenSkip);
  EXPECT_TRUE(horizons.whole_windows);
}

TEST(LewmWorldModel, DoesNotActAndSuggestsTheProbe) {
  const auto model = golden_model();
  EXPECT_EQ(model->make_actor({}), nullptr);
  try {
    require_actor(*model, {}, "runs/x");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("this agent does not act"));
    EXPECT_THAT(error.what(), HasSubstr("roboimi eval --probe"));
  }
}

TEST(LewmWorldModel, RejectsTrainingWithoutStatistics) {
  LewmWorldModel model(golden_options(), spec_of(kGoldenImage, 3));
  at::Generator generator = make_generator(0);
  try {
    model.loss(golden_batch(at::kFloat, at::kFloat), generator);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no normalization statistics"));
  }
}

}  // namespace
}  // namespace roboimi::lewm_world_model
