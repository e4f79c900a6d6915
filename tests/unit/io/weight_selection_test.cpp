#include "roboimi/io/weight_selection.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/unit/io/io_test_support.h"

namespace roboimi {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const WeightNames kNames = {.model = "a network",
                            .expected = {"conv1.weight", "layer1.0.conv1.weight",
                                         "layer1.0.bn1.bias", "layer1.0.bn1.weight", "bn1.bias"}};

CheckpointFile file_with(const std::function<std::string(const std::string&)>& rename) {
  CheckpointFile file;
  for (const std::string& name : kNames.expected) file.tensors[rename(name)] = at::ones({1});
  return file;
}

CheckpointFile file_under(const std::string& prefix) {
  return file_with([&](const std::string& name) { return prefix + name; });
}

std::vector<std::string> names_of(const WeightSelection& selected) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : selected.tensors) names.push_back(name);
  return names;
}

void expect_all(const CheckpointFile& file, const std::string& how) {
  const WeightSelection selected = select_weights(file, kNames, "x.pt");
  EXPECT_THAT(selected.missing(kNames.expected), IsEmpty()) << how;
  EXPECT_EQ(selected.tensors.size(), kNames.expected.size()) << how;
}

TEST(SelectWeights, UnderstandsEveryNestingOfWrappers) {
  const std::vector<std::string> words = {"module.",   "_orig_mod.",      "model.",
                                          "backbone.", "policy.encoder.", "_fsdp_wrapped_module."};
  for (const std::string& first : words) {
    expect_all(file_under(first), first);
    for (const std::string& second : words) {
      expect_all(file_under(first + second), first + second);
      for (const std::string& third : words) expect_all(file_under(first + second + third), third);
    }
  }
}

TEST(SelectWeights, UnderstandsWrappersInsideNames) {
  for (const std::string word : {"module.", "_orig_mod.", "_checkpoint_wrapped_module."}) {
    expect_all(file_with([&](const std::string& name) {
                 return name.starts_with("layer1.") ? "layer1." + word + name.substr(7) : name;
               }),
               word);
  }
}

TEST(SelectWeights, ReportsRemovedPrefixesAndUnusedNames) {
  CheckpointFile file = file_under("model.module.");
  file.tensors["optimizer.step"] = at::ones({1});
  const WeightSelection selected = select_weights(file, kNames, "x.pt");
  EXPECT_THAT(selected.prefixes, ElementsAre("model.", "module."));
  EXPECT_THAT(selected.left_out, ElementsAre("optimizer.step"));
  EXPECT_EQ(selected.names.at("conv1.weight"), "model.module.conv1.weight");
}

TEST(SelectWeights, RequiresAChoiceBetweenSeveralModels) {
  CheckpointFile file = file_under("student.backbone.");
  file.tensors.merge(file_under("teacher.backbone.").tensors);
  EXPECT_THAT(error_of([&] { select_weights(file, kNames, "x.pt"); }),
              AllOf(HasSubstr("x.pt: the file holds a network more than once"),
                    HasSubstr("found student.backbone, teacher.backbone"),
                    HasSubstr("set state_dict: teacher.backbone")));
  // Training frameworks save a model together with its average.
  CheckpointFile both = file_under("model.");
  both.tensors.merge(file_under("ema_model.").tensors);
  EXPECT_EQ(select_weights(both, kNames, "x.pt").names.at("bn1.bias"), "model.bn1.bias");
}

TEST(SelectWeights, RejectsTwoTensorsWithTheSameNameAndAFileWithoutTheModel) {
  CheckpointFile file = file_under("");
  file.tensors["module.conv1.weight"] = at::ones({1});
  EXPECT_THAT(error_of([&] { select_weights(file, kNames, "x.pt"); }),
              HasSubstr("two tensors have the name 'conv1.weight'"));
  EXPECT_THAT(error_of([&] {
                select_weights({.tensors = {{"a.b", at::ones({1})}}}, kNames, "x.pt");
              }),
              AllOf(HasSubstr("the file holds no weights of a network"),
                    HasSubstr("expected names like conv1.weight, layer1.0.conv1.weight"),
                    HasSubstr("found 1 tensors: a.b")));
}

TEST(SelectWeights, RenamesTensorsAndKeepsOnlyTheModelsParts) {
  const WeightNames names = {.model = "an encoder",
                             .expected = {"encoder.new"},
                             .parts = {"encoder."},
                             .rename = [](const std::string& name) {
                               return name == "encoder.old" ? "encoder.new" : name;
                             }};
  CheckpointFile file;
  for (const char* name : {"model.encoder.old", "model.encoder.same", "model.head.weight"}) {
    file.tensors[name] = at::ones({1});
  }
  file.unread["model.encoder.packed"] = "quantized";
  const WeightSelection selected = select_weights(file, names, "x.pt");
  EXPECT_THAT(names_of(selected), ElementsAre("encoder.new", "encoder.same"));
  EXPECT_EQ(selected.renamed, 1);
  EXPECT_EQ(selected.unread.at("encoder.packed"), "quantized");
  EXPECT_THAT(selected.left_out, ElementsAre("model.head.weight"));
}

}  // namespace
}  // namespace roboimi
