// The communicator `nccl` with tensors on a GPU, in one process. NCCL runs, but has no other
// process to exchange data with.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <string>

#include "roboimi/common/error.h"
#include "roboimi/contract/communicator.h"
#include "tests/cuda/small_training.h"

namespace roboimi {
namespace {

class NcclOnOneGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
    Registry& registry = Registry::instance();
    registry.load_search_path(plugin_search_path({ROBOIMI_BINARY_DIR "/lib/roboimi/plugins"}));
    const ConfigNode config = parse_yaml("{type: nccl, backend: nccl, timeout: 60}", "cuda_test");
    try {
      communicator_ = registry.create<Communicator>(config, "communicator");
    } catch (const Error& error) {
      const std::string text = error.what();
      if (text.find("NCCL is not available") == std::string::npos) throw;
      GTEST_SKIP() << text;
    }
  }
  void TearDown() override {
    if (communicator_) communicator_->finish();
  }

  // Numbers on the GPU.
  static at::Tensor numbers(at::ScalarType dtype) {
    return at::arange(12, at::TensorOptions(at::kLong).device(testing::kCuda))
        .view({3, 4})
        .to(dtype);
  }

  std::shared_ptr<Communicator> communicator_;
};

TEST_F(NcclOnOneGpu, SumsEveryTypeInPlace) {
  for (const at::ScalarType dtype :
       {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kByte}) {
    at::Tensor sum = numbers(dtype);
    const void* place = sum.data_ptr();
    communicator_->all_reduce(sum);
    EXPECT_TRUE(at::equal(sum, numbers(dtype))) << dtype;
    EXPECT_EQ(sum.data_ptr(), place);
    EXPECT_TRUE(sum.is_cuda());
  }
}

TEST_F(NcclOnOneGpu, AcceptsTensorsOfAnyLayout) {
  const at::Tensor base = at::zeros({4, 6}, testing::kCuda);
  at::Tensor strided = base.slice(1, 0, 3).t();
  strided.copy_(numbers(at::kFloat));
  communicator_->all_reduce(strided);
  communicator_->broadcast(strided, 0);
  EXPECT_TRUE(at::equal(strided, numbers(at::kFloat)));
  EXPECT_EQ(base.slice(1, 3).abs().sum().item<double>(), 0.0);
}

TEST_F(NcclOnOneGpu, BroadcastsEveryType) {
  for (const at::ScalarType dtype :
       {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kBool}) {
    at::Tensor tensor = numbers(dtype);
    communicator_->broadcast(tensor, 0);
    EXPECT_TRUE(at::equal(tensor, numbers(dtype))) << dtype;
  }
}

TEST_F(NcclOnOneGpu, ExchangesTensorsInHostMemoryToo) {
  at::Tensor sum = at::arange(5);
  communicator_->all_reduce(sum);
  EXPECT_TRUE(at::equal(sum, at::arange(5)));
  EXPECT_FALSE(sum.is_cuda());
  EXPECT_TRUE(any_process(true, *communicator_));
}

}  // namespace
}  // namespace roboimi
