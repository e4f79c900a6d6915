// Tests of encoding and of pretraining's forward pass on a GPU: resizing, the encoder's form for
// mixed precision, graphs of functions, and the pipelines of frames.
#include <ATen/autocast_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include "modules/view_fusion/gpu_fusion.h"
#include "modules/vit/mixed_vit.h"
#include "roboimi/common/cuda_graph.h"
#include "roboimi/common/graphed_function.h"
#include "roboimi/contract/autocast.h"
#include "roboimi/data/window_sampler.h"
#include "tests/cuda/small_training.h"
#include "tests/unit/data/embedding_cache_fixture.h"

namespace roboimi {
namespace {

using testing::kCuda;

class GpuEncoding : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
  }
};

at::Tensor random_bytes(at::IntArrayRef sizes) {
  at::Generator generator = make_generator(5);
  return at::randint(0, 256, sizes, generator, at::TensorOptions(at::kByte));
}

TEST_F(GpuEncoding, ResizesByProductsAsOnTheCpu) {
  const view_fusion::FusionOptions options{.height = 112, .width = 112};
  std::vector<at::Tensor> views, on_device;
  for (int i = 0; i < 3; ++i) {
    views.push_back(random_bytes({4, 128, 128, 3}));
    on_device.push_back(views.back().to(kCuda));
  }
  const at::Tensor expected = view_fusion::fuse_views(views, options);
  const double plain =
      (view_fusion::fuse_views(on_device, options).cpu() - expected).abs().max().item<double>();
  EXPECT_LT(plain, 1e-4);
  const at::Tensor found = view_fusion::fuse_views_fast(on_device, options).cpu();
  const double gray_level = 1.0 / (255.0 * 0.229);
  EXPECT_LT((found - expected).abs().max().item<double>(),
            view_fusion::GpuFusion::kMostGrayLevels * gray_level);
  EXPECT_FALSE(found.equal(view_fusion::fuse_views(on_device, options).cpu())) << "not used";
}

TEST_F(GpuEncoding, UsesTheFormOfTheEncoderForMixedPrecision) {
  const SeededConstruction seed(1);
  vit::VitEncoder encoder(vit::VitOptions{.num_layers = 4, .image_size = 112});
  encoder->to(kCuda);
  const at::Tensor pixels = at::randn({16, 3, 112, 112}).to(kCuda);
  EXPECT_FALSE(vit::uses_mixed_form(*encoder, pixels)) << "without autocast";
  const Autocast mixed(kCuda, true);
  EXPECT_NO_THROW(vit::compare_mixed_form(*encoder, pixels, at::kBFloat16));
  EXPECT_TRUE(vit::uses_mixed_form(*encoder, pixels));
  const torch::NoGradGuard no_grad;
  EXPECT_FALSE(vit::uses_mixed_form(*encoder, pixels)) << "without gradients";
}

TEST_F(GpuEncoding, ReplaysAFunctionForEachShape) {
  const at::Tensor weight = at::randn({64, 64}).to(kCuda);
  GraphedFunction layers("a test", {.tolerance = 1e-4}, [&](const std::vector<at::Tensor>& x) {
    return at::gelu(at::matmul(x[0], weight)).matmul(weight) + x[1];
  });
  const auto expect_equal = [&](std::int64_t rows) {
    const at::Tensor x = at::randn({rows, 64}).to(kCuda), y = at::randn({64}).to(kCuda);
    const at::Tensor expected = at::gelu(at::matmul(x, weight)).matmul(weight) + y;
    EXPECT_LT(relative_difference(layers.run({x, y}), expected), 1e-4);
  };
  for (const std::int64_t rows : {8, 8, 5, 8, 5}) expect_equal(rows);
  EXPECT_EQ(layers.num_graphs(), 2U);
  // Results of earlier calls stay as they are.
  const at::Tensor x = at::randn({8, 64}).to(kCuda), y = at::zeros({64}).to(kCuda);
  const at::Tensor first = layers.run({x, y}), copy = first.clone();
  layers.run({x + 1, y});
  EXPECT_TRUE(first.equal(copy));
  layers.drop();
  EXPECT_EQ(layers.num_graphs(), 0U);
  expect_equal(8);
}

TEST_F(GpuEncoding, RunsWithoutAGraphIfAFunctionReadsFromTheDevice) {
  GraphedFunction reading("a test", {}, [](const std::vector<at::Tensor>& x) {
    return x[0] * x[0].sum().item<double>();
  });
  const at::Tensor x = at::ones({3}).to(kCuda);
  for (int call = 0; call < 3; ++call)
    EXPECT_TRUE(reading.run({x}).cpu().equal(at::full({3}, 3.0)));
  EXPECT_EQ(reading.num_graphs(), 0U);
}

TEST_F(GpuEncoding, RunsInsideAnotherRecording) {
  GraphedFunction twice("a test", {}, [](const std::vector<at::Tensor>& x) { return x[0] * 2; });
  const at::Tensor x = at::ones({3}).to(kCuda);
  at::Tensor y;
  CudaGraph outer(kCuda);
  outer.run_eagerly([&] { y = twice.run({x}); });
  outer.record({}, [&] { y = twice.run({x}); });
  x.fill_(4);
  outer.replay();
  EXPECT_TRUE(y.cpu().equal(at::full({3}, 8.0)));
}

// LEWM's encoder from its plugin, with random weights.
std::shared_ptr<Backbone> lewm(const char* precision) {
  Registry& registry = Registry::instance();
  registry.load_search_path(plugin_search_path({ROBOIMI_BINARY_DIR "/lib/roboimi/plugins"}));
  ObservationSpec spec;
  for (const char* camera : {"front", "top", "r_vis"}) spec.set(rgb_stream(camera, {64, 64}));
  const SeededConstruction seed(3);
  return registry.create<Backbone>(
      parse_yaml("{type: lewm_vit_backbone, random_init: true, image_height: 56, image_width: 56, "
                 "image_size: 56, num_layers: 3, precision: " +
                     std::string(precision) + "}",
                 "cuda_test"),
      "backbone", spec);
}

TEST_F(GpuEncoding, EncodesBlocksOfEverySizeAsOnTheCpu) {
  const auto on_cpu = lewm("fp32");
  for (const char* precision : {"fp32", "bf16"}) {
    const auto on_gpu = lewm(precision);
    on_gpu->to(kCuda);
    at::Generator unused = make_generator(0);
    for (const std::int64_t frames : {1, 3, 3, 40, 300}) {
      Observation images, on_device;
      for (const char* camera : {"front", "top", "r_vis"}) {
        images[camera] = random_bytes({frames, 1, 64, 64, 3});
        on_device[camera] = images[camera].to(kCuda);
      }
      const at::Tensor expected = on_cpu->encode(images, unused).flatten(0, 1);
      const at::Tensor found = on_gpu->encode(on_device, unused).cpu().flatten(0, 1);
      const double error =
          ((found - expected).norm(2, 1) / expected.norm(2, 1)).max().item<double>();
      EXPECT_LT(error, precision == std::string("fp32") ? 1e-3 : 0.05)
          << precision << ", " << frames << " frames";
    }
  }
}

TEST_F(GpuEncoding, SamplesChunksInAGraphAsWithoutOne) {
  Registry& registry = Registry::instance();
  registry.load_search_path(plugin_search_path({ROBOIMI_BINARY_DIR "/lib/roboimi/plugins"}));
  const SeededConstruction seed(3);
  const auto head = registry.create<Head>(
      parse_yaml("{type: imf_head, n_emb: 64, n_layer: 3, n_head: 4}", "cuda_test"), "head",
      HeadSpec{.action_dim = 5, .pred_horizon = 8, .obs_horizon = 2, .per_step_cond_dim = 7});
  head->to(kCuda);
  // In training mode, samples are computed without a graph; there is no dropout.
  const auto sample = [&](bool training, std::int64_t batch, std::uint64_t noise) {
    const torch::NoGradGuard no_grad;
    if (head->is_training() != training) head->train(training);
    at::Generator generator = make_generator(7);
    const at::Tensor steps = at::randn({batch, 2, 7}, generator).to(kCuda);
    return head->sample(Condition(steps), make_generator(noise, kCuda)).cpu();
  };
  const auto expect_equal = [&] {
    std::vector<at::Tensor> found;
    const std::vector<std::pair<std::int64_t, std::uint64_t>> cases = {
        {1, 1}, {1, 2}, {4, 1}, {1, 3}};
    for (const auto& [batch, noise] : cases) found.push_back(sample(false, batch, noise));
    for (std::size_t i = 0; i < cases.size(); ++i) {
      EXPECT_LT(relative_difference(found[i], sample(true, cases[i].first, cases[i].second)), 1e-3);
    }
    EXPECT_FALSE(found[0].equal(found[1]));
  };
  expect_equal();
  // The replays use the weights' present values, and new weights after a move.
  sample(false, 1, 1);
  {
    const torch::NoGradGuard no_grad;
    for (at::Tensor& parameter : head->parameters()) parameter.mul_(1.3);
  }
  const at::Tensor scaled = sample(false, 1, 1);
  EXPECT_LT(relative_difference(scaled, sample(true, 1, 1)), 1e-3);
  sample(false, 1, 1);
  for (at::Tensor& parameter : head->parameters()) parameter.set_data(parameter * 0.5);
  const at::Tensor moved = sample(false, 1, 1);
  EXPECT_LT(relative_difference(moved, sample(true, 1, 1)), 1e-3);
  EXPECT_GT(relative_difference(moved, scaled), 1e-3);
}

TEST_F(GpuEncoding, CachesTheSameFeaturesAsOnTheCpu) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {90, 6, 33}, {"front", "top"});
  MeanBackbone backbone({"top", "front"});
  EmbeddingCacheOptions options{.folder = folder / "cache", .block_size = 4};
  const Embeddings expected = cached_embeddings(backbone, data, options);
  backbone.to(kCuda);
  options.device = kCuda;
  const Embeddings found = cached_embeddings(backbone, data, options);
  EXPECT_NE(found.file, expected.file);
  EXPECT_LT(relative_difference(found.values, expected.values), 1e-5);
}

TEST_F(GpuEncoding, DrawsTheSameBatchesFromFramesOnTheDevice) {
  const ScratchFolder folder;
  const auto data = std::make_shared<TableDataset>(folder / "data", std::vector<std::int64_t>{6, 9},
                                                   std::vector<std::string>{"front", "top"});
  const auto frames = std::make_shared<FrameStore>(
      data, data->spec().camera_names(), FrameStoreOptions{.storage = FrameStorage::kMemory});
  WindowSamplerOptions options{.horizons = {.obs = 2, .pred = 4, .num_action = 2}, .batch_size = 4};
  WindowSampler on_cpu(data, options);
  on_cpu.set_frames(frames);
  options.device = kCuda;
  for (const std::optional<bool> keeps : {std::optional<bool>(), {true}, {false}}) {
    WindowSampler on_gpu(data, options);
    on_gpu.set_frames(frames, keeps);
    for (std::int64_t step = 0; step < 20; ++step) {
      const Observation expected = on_cpu.batch(step).observations;
      for (const auto& [name, values] : on_gpu.batch(step).observations) {
        EXPECT_TRUE(values.is_cuda()) << name;
        EXPECT_TRUE(values.cpu().equal(expected.at(name))) << name << ", step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace roboimi
