// A small backbone that is compiled into several libraries. Without a definition it is a good
// plugin; each definition breaks it in one way.
#include <torch/nn/modules/linear.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "roboimi/common/error.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/plugin/plugin.h"

namespace roboimi {
namespace FIXTURE {

struct FixtureOptions {
  std::int64_t output_dim = 4;
};

class FixtureBackbone : public Backbone {
 public:
  FixtureBackbone(const FixtureOptions& options, const ObservationSpec& spec)
      : options_(options), cameras_(spec.camera_names()), linear_(3, options.output_dim) {
    register_module("linear", linear_);
  }
  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::int64_t output_dim() const override { return options_.output_dim; }
  bool frozen() const override { return false; }
  at::Tensor encode(const Observation& images, at::Generator&) override {
#if defined(CRASH_IN_ENCODE)
    std::raise(SIGSEGV);
#endif
    std::vector<at::Tensor> features;
    for (const at::Tensor& frames : ordered_images(images)) {
      features.push_back(linear_->forward(frames.to(at::kFloat).mean({2, 3}) / 255));
    }
#if defined(ONE_NUMBER_TOO_MANY)
    features.push_back(features.front().narrow(-1, 0, 1));
#endif
    return at::cat(features, -1).to(at::kFloat);
  }

 private:
  FixtureOptions options_;
  std::vector<std::string> cameras_;
  torch::nn::Linear linear_;
};

[[maybe_unused]] static Schema schema() {
  Schema s;
  s.integer("output_dim", 4, "features per camera").at_least(1);
  return s;
}

[[maybe_unused]] static std::shared_ptr<Backbone> create(const Options& options,
                                                         const ObservationSpec& spec) {
#if defined(THROWING_FACTORY)
  throw std::logic_error("the factory gave up");
#elif defined(EMPTY_FACTORY)
  return nullptr;
#elif defined(READS_A_WRENCH)
  if (spec.at("wrench").shape != std::vector<std::int64_t>{6}) {
    throw Error("a wrench has six elements");
  }
#endif
  return std::make_shared<FixtureBackbone>(
      FixtureOptions{.output_dim = options.integer("output_dim")}, spec);
}

#if defined(UNDEFINED_SYMBOL)
int nowhere_to_be_found(int);
int use() { return nowhere_to_be_found(1); }
#elif defined(THROWING_INITIALISER)
static const int kValue = []() -> int { throw std::runtime_error("the initializer gave up"); }();
#elif defined(CRASH)
static const int kValue = []() -> int {
  std::raise(SIGSEGV);
  return 1;
}();
#elif defined(EXITING)
static const int kValue = []() -> int {
  std::fputs("no license was found\n", stderr);
  std::_Exit(3);
}();
#endif

}  // namespace FIXTURE
}  // namespace roboimi

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#if !defined(COMPONENT)
#define COMPONENT TEXT(FIXTURE)
#endif
#if !defined(VERSION)
#define VERSION "1.0.0"
#endif

#if defined(WRONG_DESCRIPTOR_SIZE)
ROBOIMI_PLUGIN_NOTE(TEXT(FIXTURE), VERSION)
extern "C" ROBOIMI_EXPORT const std::uint32_t roboimi_plugin_descriptor[16];
const std::uint32_t roboimi_plugin_descriptor[16] = {8, roboimi::kPluginApiVersion};
#else
ROBOIMI_PLUGIN(TEXT(FIXTURE), VERSION, "A backbone for the loader's tests") {
#if defined(THROWING_REGISTER)
  throw std::runtime_error("the register function gave up");
#endif
  registrar.add<roboimi::Backbone>({
    .name = COMPONENT, .description = "mean color, then a linear map",
    .schema = roboimi::FIXTURE::schema(), .create = roboimi::FIXTURE::create,
#if defined(CHECK_OPTIONS)
    .check = {.options = CHECK_OPTIONS, .skip = {{CHECK_SKIP, "left out by the component"}}},
#endif
  });
#if defined(SECOND_BACKBONE)
  registrar.add<roboimi::Backbone>({.name = SECOND_BACKBONE,
                                    .description = "the same again",
                                    .schema = roboimi::FIXTURE::schema(),
                                    .create = roboimi::FIXTURE::create});
#endif
}
#endif
