// Tests of run folders that are copied without links, moved while their data is gone, damaged, or
// resumed by two processes at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "roboimi/common/process_lock.h"
#include "tests/e2e/program.h"

namespace roboimi::e2e {
namespace {

using ::testing::HasSubstr;

// The run is trained once for all tests of this program.
class RunFolder : public WithDemonstrations {
 protected:
  static void SetUpTestSuite() {
    collect("run_folder", /*episodes=*/1);
    const Result trained = place_->run(
        {"run", "--config", "lewm_imf_attnres.yaml", "size=small", "data.path=data",
         "output_dir=runs", "agent.backbone.random_init=true", "agent.backbone.num_layers=1",
         "agent.head.n_emb=16", "agent.head.n_layer=1", "agent.head.n_head=2", "train.batch_size=4",
         "train.threads=1", "train.rollout_num_episodes=0", "train.max_steps=2",
         "train.save_every=1", "train.keep_top_k=10"});
    ASSERT_EQ(trained.status, 0) << trained.errors;
  }

  // Copies the run as zip, cp -rL, rsync -L and hubs do: every link becomes a copy of its target.
  static fs::path copy_without_links(const std::string& name) {
    const fs::path run = *place_ / name;
    fs::copy(newest_run(*place_ / "runs"), run, fs::copy_options::recursive);
    EXPECT_FALSE(fs::is_symlink(run / "checkpoints" / "latest"));
    return run;
  }
};

TEST_F(RunFolder, WorksIfItsLinksBecameFolders) {
  const fs::path run = copy_without_links("copied");
  for (const char* given : {"copied", "copied/checkpoints/latest"}) {
    const Result compared =
        place_->run({"eval", "--open-loop", "--checkpoint", given, "--device", "cpu"});
    EXPECT_EQ(compared.status, 0) << compared.errors;
    EXPECT_THAT(compared.output, HasSubstr("copied/checkpoints/step_00000002\n"));
  }
  const Result resumed = place_->run({"run", "--resume", "copied", "train.max_steps=3"});
  EXPECT_EQ(resumed.status, 0) << resumed.errors;
  EXPECT_EQ(fs::read_symlink(run / "checkpoints" / "latest"), "step_00000003");
  const Result verified = place_->run({"checkpoint", "verify", "copied"});
  EXPECT_EQ(verified.status, 0) << verified.errors;
  EXPECT_THAT(verified.output, HasSubstr("checkpoints/step_00000001: ok (4 files and state.json "
                                         "are unchanged)"));
}

TEST_F(RunFolder, NamesTheFileThatIsDamaged) {
  const fs::path run = copy_without_links("damaged");
  const fs::path model = run / "checkpoints" / "step_00000002" / "model.safetensors";
  std::fstream file(model, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(fs::file_size(model)) - 8);
  file.put('x');
  file.close();
  const std::string problem =
      "model.safetensors: not the file that was saved: damaged or changed: "
      "expected SHA-256 ";
  const Result verified = place_->run({"checkpoint", "verify", "damaged"});
  EXPECT_EQ(verified.status, 1);
  EXPECT_THAT(verified.output, HasSubstr("step_00000001: ok"));
  EXPECT_THAT(verified.output, HasSubstr("step_00000002: DAMAGED"));
  EXPECT_THAT(verified.output, HasSubstr(problem));
  const Result resumed = place_->run({"run", "--resume", "damaged", "train.max_steps=3"});
  EXPECT_EQ(resumed.status, 1);
  EXPECT_THAT(resumed.errors, HasSubstr("the newest checkpoint is damaged"));
  EXPECT_THAT(resumed.errors, HasSubstr("to continue from step_00000001, remove "));
  const Result evaluated = place_->run({"eval", "--open-loop", "--checkpoint", "damaged"});
  EXPECT_EQ(evaluated.status, 1);
  EXPECT_THAT(evaluated.errors, HasSubstr(problem));
}

TEST_F(RunFolder, ReportsHowToSetThePathOfMovedData) {
  copy_without_links("moved");
  fs::rename(*place_ / "data", *place_ / "elsewhere");
  const std::vector<std::string> resume = {"run", "--resume", "moved", "train.max_steps=3"};
  const std::vector<std::string> compare = {"eval", "--open-loop", "--checkpoint", "moved"};
  // Compare first, because a resumed run keeps the new path.
  for (const std::vector<std::string>& command : {compare, resume}) {
    const Result lost = place_->run(command);
    EXPECT_EQ(lost.status, 1);
    EXPECT_THAT(lost.errors,
                HasSubstr("if the data has moved, set its new path: data.path=FOLDER"));
    const Result named = place_->run(words(command, {"data.path=elsewhere"}));
    EXPECT_EQ(named.status, 0) << named.errors;
  }
  fs::rename(*place_ / "elsewhere", *place_ / "data");
}

TEST_F(RunFolder, IsResumedByOneProcessAtATime) {
  const fs::path run = copy_without_links("locked");
  const ProcessLock lock = ProcessLock::take_folder(run, "run");
  const std::string before = read_text(run / "metrics.jsonl");
  const Result second = place_->run({"run", "--resume", "locked", "train.max_steps=3"});
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.errors, HasSubstr("locked: another process is using this run: found "
                                       "process " +
                                       std::to_string(::getpid())));
  EXPECT_EQ(read_text(run / "metrics.jsonl"), before);
}

}  // namespace
}  // namespace roboimi::e2e
