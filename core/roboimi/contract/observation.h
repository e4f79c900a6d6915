// Observations: what a policy sees, as named streams, and the table that describes them.
//
// A stream is one sensor or signal: an RGB or depth camera, a vector of numbers, a text. A policy,
// a data set and an environment each list their streams in an ObservationSpec; tensors travel by
// the stream's name from there to the model:
//
//   ObservationSpec spec{.streams = {rgb_stream("front", {480, 640}),
//                                    depth_stream("front_depth", {480, 640}),
//                                    vector_stream("state", 14, "rad"),
//                                    text_stream("task", 64)},
//                        .action_dim = 14};
//   Observation observation = {{"front", frame}, {"state", angles}};
//   observation["task"] = text_tensor("open the drawer", 64);
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// Streams with a meaning of their own. Others may have any name.
inline constexpr const char* kState = "state";         // the robot's state: what is controlled
inline constexpr const char* kVelocity = "velocity";   // of the state; recorded, never shown
inline constexpr const char* kEnvState = "env_state";  // a simulator's privileged state

enum class StreamKind {
  kRgb,     // uint8 [H, W, 3], red first
  kDepth,   // float32 or uint16 [H, W]; distance along the viewing direction, 0: none was measured
  kVector,  // float32 [n]
  kText,    // uint8 [bytes]: UTF-8, filled up with zeros
};
ROBOIMI_EXPORT const char* to_string(StreamKind kind);  // "rgb", "depth", "vector", "text"
// Error for any other name.
ROBOIMI_EXPORT StreamKind stream_kind_from(const std::string& name);

struct ImageSize {
  std::int64_t height = 0;  // pixels
  std::int64_t width = 0;   // pixels
  bool operator==(const ImageSize&) const = default;
};

struct StreamSpec {
  std::string name;
  StreamKind kind = StreamKind::kVector;
  std::vector<std::int64_t> shape = {};  // of one step
  at::ScalarType dtype = at::kFloat;
  std::string unit = {};                        // "rad", "m"; empty: none or unknown
  std::vector<std::string> element_names = {};  // of a vector; empty: unknown

  bool is_image() const { return kind == StreamKind::kRgb || kind == StreamKind::kDepth; }
  ImageSize size() const { return {shape.at(0), shape.at(1)}; }  // of an image
  bool operator==(const StreamSpec&) const = default;
};

ROBOIMI_EXPORT StreamSpec rgb_stream(std::string name, ImageSize size);
// `dtype`: float32 or uint16. `unit`: of one count, "m" or "mm".
ROBOIMI_EXPORT StreamSpec depth_stream(std::string name, ImageSize size,
                                       at::ScalarType dtype = at::kFloat, std::string unit = "m");
ROBOIMI_EXPORT StreamSpec vector_stream(std::string name, std::int64_t size, std::string unit = {},
                                        std::vector<std::string> element_names = {});
ROBOIMI_EXPORT StreamSpec text_stream(std::string name, std::int64_t bytes);

// Named tensors: the streams of one step, or of a batch with more dimensions in front. A map with
// views of the streams that have a meaning of their own.
class ROBOIMI_EXPORT Observation : public std::map<std::string, at::Tensor> {
 public:
  using map::map;

  // The stream, or an undefined tensor.
  at::Tensor get(const std::string& name) const;
  // The stream; Error naming those that are there.
  const at::Tensor& at(const std::string& name) const;

  at::Tensor state() const { return get(kState); }
  at::Tensor velocity() const { return get(kVelocity); }
  at::Tensor env_state() const { return get(kEnvState); }
  // The RGB images: uint8 with at least three dimensions, the last of them 3.
  Observation images() const;
};

// The streams that a data set or an environment gives and an agent is built for, and its actions.
struct ObservationSpec {
  std::vector<StreamSpec> streams = {};  // cameras in the order of data.camera_names
  std::int64_t action_dim = 0;           // A
  double control_hz = 0.0;               // 0 when unknown

  // nullptr when there is none of that name.
  ROBOIMI_EXPORT const StreamSpec* find(std::string_view name) const;
  // Error naming the streams that are there.
  ROBOIMI_EXPORT const StreamSpec& at(std::string_view name) const;
  // Replaces the stream of that name, or adds it.
  ROBOIMI_EXPORT void set(StreamSpec stream);

  ROBOIMI_EXPORT std::vector<std::string> names() const;
  ROBOIMI_EXPORT std::vector<std::string> camera_names() const;  // of the RGB streams
  // Of an image; Error when there is none of that name.
  ROBOIMI_EXPORT ImageSize image_size(std::string_view camera) const;
  ROBOIMI_EXPORT std::int64_t state_dim() const;      // S; 0 without a state
  ROBOIMI_EXPORT std::int64_t env_state_dim() const;  // E; 0 without one

  // Says what differs, in words; empty when a policy for *this can act on `other`. What is
  // privileged or never shown may differ, and `other` may have more streams.
  ROBOIMI_EXPORT std::string difference(const ObservationSpec& other) const;
};

// Windows for training. Numbers are raw; the agent normalizes.
struct Batch {
  // Each [B, T, ...]. Images are those that the backbone reads, and none where `features` is
  // defined.
  Observation observations;
  at::Tensor features;  // float [B, T, V]: cached features of a frozen backbone, or undefined
  at::Tensor actions;   // float [B, H, A]
  at::Tensor is_pad;    // bool [B, H]: true outside the episode
};

// UTF-8 as uint8 [bytes], filled up with zeros. Error when it is longer.
ROBOIMI_EXPORT at::Tensor text_tensor(std::string_view text, std::int64_t bytes);
// The text of uint8 [bytes], up to its first zero.
ROBOIMI_EXPORT std::string text_of(const at::Tensor& bytes);

// A depth image in meters, float32, by its stream's unit ("m", "mm", or none: meters).
ROBOIMI_EXPORT at::Tensor depth_in_meters(const at::Tensor& depth, const StreamSpec& stream);

}  // namespace roboimi
