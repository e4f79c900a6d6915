// Several actors of one agent whose observations are encoded, and whose plans are sampled, as
// batches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/common/error.h"
#include "tests/error_text.h"
#include "tests/plugins/vla_agent/fake_parts.h"

namespace roboimi::vla_agent {
namespace {

using ::testing::HasSubstr;

TEST(SeveralActors, SampleTheirPlansAtOnce) {
  Fixture fixture;
  std::vector<std::unique_ptr<Actor>> actors;
  std::vector<PlanRequest> requests;
  for (const std::uint64_t seed : {7, 8, 7}) {
    actors.push_back(fixture.agent->make_actor({}));
    actors.back()->reset(seed);
    actors.back()->observe(observation(static_cast<int>(seed), true));
    ASSERT_TRUE(actors.back()->wants_plan());
    EXPECT_THAT(error_text([&] { actors.back()->command(); }),
                HasSubstr("the actor has no command yet"));
    requests.push_back(actors.back()->plan_request());
    EXPECT_FALSE(actors.back()->wants_plan());
  }
  const at::Tensor chunks = fixture.agent->sample_plans(requests);
  EXPECT_EQ(fixture.head->calls, 1);
  EXPECT_TRUE(chunks[0].equal(chunks[2]));
  EXPECT_FALSE(chunks[0].equal(chunks[1]));
  for (std::size_t i = 0; i < actors.size(); ++i) {
    actors[i]->accept(chunks[static_cast<std::int64_t>(i)]);
    fixture.actor->reset(i == 1 ? 8 : 7);
    const at::Tensor alone = fixture.actor->act(observation(i == 1 ? 8 : 7, true));
    EXPECT_TRUE(actors[i]->command().equal(alone)) << i;
    EXPECT_GT(actors[i]->last_timing().plan_ms, 0.0);
  }
  EXPECT_THROW(actors[0]->accept(chunks[0]), Error) << "no chunk was requested";
}

TEST(SeveralActors, EncodeTheirObservationsWhenThePlansAreRequested) {
  const std::vector<std::uint64_t> seeds = {7, 8, 9};
  Fixture fixture;
  const auto seen = [](std::uint64_t seed, int step) {
    return observation(static_cast<int>(10 * seed) + step, true);
  };
  std::vector<std::unique_ptr<Actor>> actors;
  std::vector<Actor*> all;
  for (const std::uint64_t seed : seeds) {
    actors.push_back(fixture.agent->make_actor({}));
    actors.back()->reset(seed);
    all.push_back(actors.back().get());
  }
  std::vector<int> encoded;  // batches until each step; of one image on a CPU
  for (int step = 0; step < 9; ++step) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      Observation buffer = seen(seeds[i], step);
      for (auto& [stream, values] : buffer) values = values.clone();
      all[i]->observe(buffer);
      // The caller may reuse its buffers at once.
      for (auto& [stream, values] : buffer) values.zero_();
    }
    if (all[0]->wants_plan()) {
      const at::Tensor chunks = fixture.agent->sample_plans(fixture.agent->request_plans(all));
      for (std::size_t i = 0; i < all.size(); ++i) {
        all[i]->accept(chunks[static_cast<std::int64_t>(i)]);
      }
    }
    for (Actor* actor : all) actor->command();
    encoded.push_back(fixture.backbone->calls);
  }
  EXPECT_EQ(encoded, (std::vector<int>{3, 3, 3, 3, 3, 3, 3, 3, 9}));
  // The conditions of the second plans are those of the actors alone.
  const at::Tensor conditions = fixture.head->last_cond;
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    fixture.actor->reset(seeds[i]);
    for (int step = 0; step < 9; ++step) fixture.actor->act(seen(seeds[i], step));
    EXPECT_TRUE(fixture.head->last_cond[0].equal(conditions[static_cast<std::int64_t>(i)])) << i;
  }
}

// As on a GPU.
TEST(SeveralActors, HaveTheSameFeaturesInBatches) {
  Fixture fixture;
  std::vector<Observation> seen;
  std::vector<const Observation*> observations;
  for (int step = 0; step < 5; ++step) seen.push_back(observation(10 * step, true));
  for (const Observation& one : seen) observations.push_back(&one);
  const auto expected = fixture.agent->encode(observations, true, 1);
  EXPECT_EQ(fixture.backbone->calls, 5);
  const auto found = fixture.agent->encode(observations, true, 2);
  EXPECT_EQ(fixture.backbone->calls, 8);
  ASSERT_EQ(found.size(), 5u);
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(found[i].features.equal(expected[i].features)) << i;
    EXPECT_TRUE(found[i].state.equal(expected[i].state)) << i;
  }
  EXPECT_FALSE(fixture.agent->encode(observations, false, 2)[4].features.defined());
  EXPECT_EQ(fixture.backbone->calls, 8);
  seen[3].erase("top");
  EXPECT_THAT(error_text([&] { fixture.agent->encode(observations, true, 2); }),
              HasSubstr("camera 'top' is missing"));
}

}  // namespace
}  // namespace roboimi::vla_agent
