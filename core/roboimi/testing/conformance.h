// GoogleTest macros that run the conformance kit on a component: write one class that creates the
// component, and one line.
//
//   class MyBackbone : public roboimi::testing::BackboneSubject {
//     std::shared_ptr<roboimi::Backbone> make(const roboimi::ObservationSpec& spec) const override
//     {
//       return my_backbone::create(roboimi::parse_options({}, my_backbone::schema()), spec);
//     }
//   };
//   ROBOIMI_BACKBONE_CONFORMANCE(MyBackbone);
//
// Every check becomes its own test. A failure message contains what to fix and why it matters.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <vector>

#include "roboimi/testing/agent_checks.h"
#include "roboimi/testing/backbone_checks.h"
#include "roboimi/testing/communicator_checks.h"
#include "roboimi/testing/dataset_checks.h"
#include "roboimi/testing/environment_checks.h"
#include "roboimi/testing/episode_writer_checks.h"
#include "roboimi/testing/head_checks.h"

namespace roboimi::testing {

template <typename Kind>
void run_as_test(const Check<Kind>& check, const std::type_identity_t<Kind>& subject) {
  const CheckResult result = run_check(check, subject);
  if (result.status == CheckStatus::kSkipped) GTEST_SKIP() << result.message;
  EXPECT_EQ(result.status, CheckStatus::kPassed)
      << result.message << "\n(" << result.check << ": " << result.reason << ")";
}

}  // namespace roboimi::testing

#define ROBOIMI_CONFORMANCE(SubjectClass, checks)                                        \
  class SubjectClass##Conformance : public ::testing::TestWithParam<std::size_t> {};     \
  TEST_P(SubjectClass##Conformance, Check) {                                             \
    ::roboimi::testing::run_as_test((checks)[GetParam()], SubjectClass());               \
  }                                                                                      \
  INSTANTIATE_TEST_SUITE_P(                                                              \
      All, SubjectClass##Conformance, ::testing::Range(std::size_t{0}, (checks).size()), \
      [](const ::testing::TestParamInfo<std::size_t>& info) { return (checks)[info.param].name; })

#define ROBOIMI_BACKBONE_CONFORMANCE(SubjectClass) \
  ROBOIMI_CONFORMANCE(SubjectClass, ::roboimi::testing::backbone_checks())
#define ROBOIMI_HEAD_CONFORMANCE(SubjectClass) \
  ROBOIMI_CONFORMANCE(SubjectClass, ::roboimi::testing::head_checks())
#define ROBOIMI_AGENT_CONFORMANCE(SubjectClass) \
  ROBOIMI_CONFORMANCE(SubjectClass, ::roboimi::testing::agent_checks())
#define ROBOIMI_DATASET_CONFORMANCE(SubjectClass) \
  ROBOIMI_CONFORMANCE(SubjectClass, ::roboimi::testing::dataset_checks())
#define ROBOIMI_ENVIRONMENT_CONFORMANCE(SubjectClass) \
  ROBOIMI_CONFORMANCE(SubjectClass, ::roboimi::testing::environment_checks())
#define ROBOIMI_EPISODE_WRITER_CONFORMANCE(SubjectClass) \
  ROBOIMI_CONFORMANCE(SubjectClass, ::roboimi::testing::episode_writer_checks())
#define ROBOIMI_COMMUNICATOR_CONFORMANCE(SubjectClass) \
  ROBOIMI_CONFORMANCE(SubjectClass, ::roboimi::testing::communicator_checks())
