// LEWM's objective for a batch that is shared by processes. mpirun runs these tests in several
// processes.
#include "plugins/mpi_communicator/mpi_communicator.h"
#include "tests/plugins/lewm_world_model/world_model_cases.h"

namespace roboimi::lewm_world_model {
namespace {

using mpi_communicator::MpiCommunicator;

class SharedWorldModel : public ::testing::Test {
 protected:
  ~SharedWorldModel() override { mpi_.finish(); }

  // This process's part of the rows, and all rows that can be divided evenly.
  at::Tensor part_of(const at::Tensor& whole) { return whole.chunk(mpi_.size())[mpi_.rank()]; }
  at::Tensor whole_of(const at::Tensor& all) {
    return all.slice(0, 0, all.size(0) / mpi_.size() * mpi_.size());
  }

  MpiCommunicator mpi_{mpi_communicator::MpiOptions()};
};

TEST_F(SharedWorldModel, ComputesSigRegOverTheWholeBatchWithItsGradient) {
  const lewm::SigReg sigreg({});
  const at::Tensor directions = golden("data.directions");
  const at::Tensor whole = whole_of(golden("sigreg.z")).clone().requires_grad_();
  const at::Tensor expected = sigreg.statistic(whole, directions);
  expected.backward();

  const at::Tensor part = part_of(whole.detach()).clone().requires_grad_();
  const lewm::SharedBatch shared{
      .processes = mpi_.size(),
      .average = [this](const at::Tensor& mean) { return average(mean, mpi_); }};
  const at::Tensor found = sigreg.statistic(part, directions, shared);
  found.backward();
  EXPECT_LT(distance(found, expected), 1e-12);
  // The trainer averages the processes' gradients.
  const double processes = static_cast<double>(mpi_.size());
  EXPECT_LT(distance(part.grad() / processes, part_of(whole.grad())), 1e-12);
}

// Evaluation mode excludes BatchNorm from the comparison, since it uses each process's own part.
TEST_F(SharedWorldModel, HasTheGradientsOfTheWholeBatch) {
  Batch whole = golden_batch(at::kDouble, at::kDouble);
  whole.features = whole_of(whole.features);
  whole.actions = whole_of(whole.actions);
  const auto single = golden_model(), shared = golden_model();
  single->eval();
  at::Generator generator = make_generator(5);
  const LossReport expected = single->loss(whole, generator);
  expected.loss.backward();

  shared->eval();
  shared->share_batches(mpi_);
  Batch part = whole;
  part.features = part_of(whole.features);
  part.actions = part_of(whole.actions);
  // Like the trainer, each process has its own generator; the directions come from rank 0.
  at::Generator own = make_generator(mpi_.rank() == 0 ? 5 : 99);
  const LossReport found = shared->loss(part, own);
  found.loss.backward();
  EXPECT_NEAR(found.metrics.at("sigreg").item<double>(),
              expected.metrics.at("sigreg").item<double>(), 1e-10);
  for (const auto& parameter : single->named_parameters()) {
    if (!parameter.value().grad().defined()) continue;
    at::Tensor gradient = shared->named_parameters()[parameter.key()].grad().clone();
    mpi_.all_reduce(gradient);
    gradient.div_(static_cast<double>(mpi_.size()));
    // An absolute distance, since some gradients are zero except for rounding.
    EXPECT_LT((gradient - parameter.value().grad()).abs().max().item<double>(), 1e-11)
        << parameter.key();
  }
}

}  // namespace
}  // namespace roboimi::lewm_world_model
