// A policy without a state: it trains, rolls out and acts on images alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/files.h"
#include "roboimi/deploy/policy.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/rollout/open_loop.h"
#include "roboimi/train/experiment.h"
#include "roboimi/train/run_folder.h"
#include "tests/error_text.h"
#include "tests/plugins/vla_agent/fake_parts.h"
#include "tests/unit/data/table_dataset.h"
#include "tests/unit/rollout/line_robot.h"

namespace roboimi::vla_agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace fs = std::filesystem;

ObservationSpec only_images(ObservationSpec spec) {
  std::erase_if(spec.streams, [](const StreamSpec& stream) { return !stream.is_image(); });
  return spec;
}

class PictureDataset : public TableDataset {
 public:
  explicit PictureDataset(const fs::path& folder)
      : TableDataset(folder, {8, 6}, {"front"}, {8, 8}), spec_(only_images(TableDataset::spec())) {}
  const ObservationSpec& spec() const override { return spec_; }

 private:
  ObservationSpec spec_;
};

class PictureLine : public LineEnvironment {
 public:
  const ObservationSpec& spec() const override { return spec_; }
  Observation observe(bool render) override {
    Observation observation = LineEnvironment::observe(render);
    observation.erase(roboimi::kState);
    return observation;
  }

 private:
  ObservationSpec spec_ = only_images(LineEnvironment().spec());
};

// Its chunks move the point to the right.
class MovingHead : public IndexHead {
 public:
  using IndexHead::IndexHead;
  at::Tensor sample(const Condition& condition, const BatchGenerator& noise,
                    const at::Tensor& prefix) override {
    check_sample_arguments(condition, prefix);
    last_cond = condition.steps.clone();
    return noise.randn({condition.steps.size(0), spec().pred_horizon, 1}, condition.steps.options())
        .abs();
  }
};

// Adds the components `picture` of this program to the registry, once.
void register_pictures() {
  static const bool done = [] {
    Registrar registrar;
    Schema data;
    data.required_path("path", "folder of the frames");
    registrar.add<Dataset>({.name = "picture",
                            .description = "images and actions",
                            .schema = data,
                            .create = [](const Options& options) {
                              return std::make_shared<PictureDataset>(options.text("path"));
                            }});
    registrar.add<Environment>(
        {.name = "picture",
         .description = "a point on a line, without its position",
         .schema = {},
         .create = [](const Options&) { return std::make_shared<PictureLine>(); }});
    registrar.add<Backbone>({.name = "picture",
                             .description = "means of images",
                             .schema = {},
                             .create = [](const Options&, const ObservationSpec&) {
                               return std::make_shared<MeanBackbone>(
                                   std::vector<std::string>{"front"});
                             }});
    registrar.add<Head>({.name = "picture",
                         .description = "a linear map",
                         .schema = {},
                         .create = [](const Options&, const HeadSpec& spec) {
                           return std::make_shared<MovingHead>(spec);
                         }});
    registrar.add<Agent>(
        {.name = "picture", .description = "vla_agent", .schema = schema(), .create = create});
    Registry::instance().add("pictures", std::move(registrar));
    return true;
  }();
  (void)done;
}

TEST(WithoutAState, APolicyTrainsRollsOutAndActs) {
  register_pictures();
  const ScratchFolder folder;
  const std::string config =
      "name: blind\ndevice: cpu\noutput_dir: " + (folder / "runs").string() +
      "\nagent: {type: picture, pred_horizon: 4, num_action_steps: 2, state_noise: 0.1, "
      "backbone: {type: picture}, head: {type: picture}}\ndata: {type: picture, path: " +
      (folder / "data").string() +
      "}\nenv: {type: picture}\ntrain: {max_steps: 2, batch_size: 4, save_every: 2, threads: 1, "
      "rollout_every: 2, rollout_num_episodes: 1}\n";
  ASSERT_EQ(run_experiment(parse_yaml(config, "test.yaml"), {}), 0);
  const fs::path run = newest_run_folder(folder / "runs", "blind");
  const fs::path rollouts = run / "rollouts/step_00000002";
  for (const char* name :
       {"summary.json", "episodes.csv", "trajectory_000.png", "episode_000.mp4"}) {
    EXPECT_GT(fs::file_size(rollouts / name), 0u) << name;
  }
  EXPECT_THAT(read_text(rollouts / "trajectory_000.csv"),
              StartsWith("step,point_x,point_y,point_z\n0,0.000000,0.000000,0.000000\n"));

  // The condition consists of the features alone: those of two images.
  const LoadedRun loaded = open_run(run, {});
  EXPECT_THAT(loaded.agent->stream_names(), ElementsAre("front"));
  const auto& head = static_cast<const VlaAgent&>(*loaded.agent).head();
  EXPECT_EQ(head.spec().per_step_cond_dim, 1);
  const PictureDataset dataset(folder / "data");
  EXPECT_EQ(open_loop_error(*loaded.agent, dataset, {0}, {}).episodes[0].num_steps, 8);

  // A robot's process needs no state either.
  const auto policy = load_policy(run);
  policy->reset(1, Policy::kUnknownCommand);
  for (int step = 0; step < 5; ++step) {
    Observation seen;
    if (policy->needs_images()) seen["front"] = at::full({8, 8, 3}, step, at::kByte);
    EXPECT_TRUE(policy->act(seen).action.isfinite().all().item<bool>());
  }
}

TEST(WithoutAState, APolicyNeedsABackbone) {
  register_pictures();
  ObservationSpec spec = LineEnvironment().spec();
  const auto create_from = [&](const ObservationSpec& data) {
    return error_or_accepted([&] {
      Registry::instance().create_agent(
          parse_yaml("{type: picture, head: {type: picture}}", "test.yaml"), "agent", data, 0);
    });
  };
  EXPECT_EQ(create_from(spec), "accepted");
  EXPECT_THAT(create_from(only_images(spec)),
              HasSubstr("agent.backbone: the policy has no input: there is no backbone, and the "
                        "data has no state"));
}

}  // namespace
}  // namespace roboimi::vla_agent
