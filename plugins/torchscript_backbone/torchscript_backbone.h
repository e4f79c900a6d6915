// A backbone that runs an encoder exported from Python with torch.jit.script or torch.jit.trace.
//
//   TorchScriptOptions options{.file = "encoder.pt"};
//   TorchScriptBackbone backbone(options, spec);
//   at::Tensor features = backbone.encode(images, generator);   // [B, T, cameras * D]
//
// The constructor runs the program in the file: load only files that you trust.
//
// The program's input is float pixels, RGB, channels first: (resize(image) / 255 - mean) / std. It
// gets one camera at a time, [N, 3, H, W] (kPerCamera), or all of them, [N, cameras, 3, H, W] in
// camera_names() order (kJoint), and returns one feature per frame, for any N. It stays in
// evaluation mode even while it is trained: dropout is off, so nothing is drawn from the default
// generator, and BatchNorm keeps its loaded statistics.
#pragma once

#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/torchscript_backbone/scripted_module.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/imagenet.h"
#include "roboimi/contract/run_files.h"

namespace roboimi::torchscript_backbone {

enum class Mode { kPerCamera, kJoint };

struct TorchScriptOptions {
  std::filesystem::path file;             // written by torch.jit.save
  std::vector<std::string> camera_names;  // empty: the ObservationSpec's
  Mode mode = Mode::kPerCamera;
  std::optional<ImageSize> resize;  // bilinear with antialiasing
  // For pixels in 0..1.
  std::vector<double> mean{std::begin(kImageNetMean), std::end(kImageNetMean)};
  std::vector<double> std{std::begin(kImageNetStd), std::end(kImageNetStd)};
  bool frozen = true;  // false: parameters that were exported with requires_grad are trained
  OutputChoice output;
  std::optional<std::int64_t> output_dim;  // D; checked if given
};

class TorchScriptBackbone : public Backbone, public KeepsFiles {
 public:
  // Runs the program on black frames to determine D. Throws Error if `spec` lacks a camera, joint
  // cameras have different sizes, ScriptedModule rejects the file, or the program gives another D
  // than stated, draws random numbers, changes its state, or has no gradients although it is not
  // frozen.
  TorchScriptBackbone(TorchScriptOptions options, const ObservationSpec& spec);
  ~TorchScriptBackbone() override;

  const std::vector<std::string>& camera_names() const override { return options_.camera_names; }
  std::int64_t output_dim() const override { return output_dim_; }
  std::optional<std::int64_t> joint_output_dim() const override;
  bool frozen() const override { return options_.frozen; }
  // Depends on the file's contents, not its path, and on the options: parameters do not include the
  // program.
  std::string cache_identity() const override;
  // The program file, which checkpoints do not contain.
  std::vector<std::filesystem::path> run_files() const override { return {options_.file}; }
  // Error also if the state was loaded from a checkpoint that was trained with another file.
  at::Tensor encode(const Observation& images, at::Generator& generator) override;

  // A frozen module stays in evaluation mode and without gradients.
  void train(bool on = true) override;

 private:
  void probe(const ObservationSpec& spec);
  void check_learns(const at::Tensor& feature) const;
  void check_same_file();
  void freeze();
  // The views of N frames, each uint8 [N, H, W, 3] -> [N, feature_dim()].
  at::Tensor features_of(const std::vector<at::Tensor>& views);
  at::Tensor run(const at::Tensor& pixels);
  at::Tensor prepare(const at::Tensor& frames) const;

  TorchScriptOptions options_;
  std::filesystem::path file_;  // options_.file, or the run's copy of it
  std::shared_ptr<ScriptedModule> module_;
  std::string file_sha256_;
  // The digits of file_sha256_ as a buffer, which checkpoints store: uint8 [64].
  at::Tensor file_digest_;
  std::int64_t compared_version_ = 0;  // version of file_digest_ when it was last compared
  std::int64_t output_dim_ = 0;        // 0 until the program has run
};

Schema schema();
std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec);

}  // namespace roboimi::torchscript_backbone
