// Observations: the inputs of a policy as named streams, and the spec that describes them.
//
// A stream is one sensor or signal: an RGB or depth camera, a vector or a string. A policy, a
// dataset and an environment each list their streams in an ObservationSpec. From the sensor to the
// model, tensors are identified by the name of their stream:
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

// Stream names with a predefined meaning. Other streams may have any other name.
inline constexpr const char* kState = "state";         // the robot's state, such as joint angles
inline constexpr const char* kVelocity = "velocity";   // rate of the state; no policy input
inline constexpr const char* kEnvState = "env_state";  // a simulator's privileged state

enum class StreamKind {
  kRgb,     // uint8 [H, W, 3], in RGB order
  kDepth,   // float32 or uint16 [H, W]; distance along the viewing direction, 0: no measurement
  kVector,  // float32 [n]
  kText,    // uint8 [bytes]: UTF-8, padded with zeros
};
ROBOIMI_EXPORT const char* to_string(StreamKind kind);  // "rgb", "depth", "vector", "text"
// The inverse. Throws Error for any other name.
ROBOIMI_EXPORT StreamKind stream_kind_from(const std::string& name);

struct ImageSize {
  std::int64_t height = 0;  // pixels
  std::int64_t width = 0;   // pixels
  bool operator==(const ImageSize&) const = default;
};

struct StreamSpec {
  std::string name;
  StreamKind kind = StreamKind::kVector;
  std::vector<std::int64_t> shape = {};  // of one time step
  at::ScalarType dtype = at::kFloat;
  std::string unit = {};                        // "rad", "m"; empty: none or unknown
  std::vector<std::string> element_names = {};  // of a vector; empty: unknown

  bool is_image() const { return kind == StreamKind::kRgb || kind == StreamKind::kDepth; }
  ImageSize size() const { return {shape.at(0), shape.at(1)}; }  // only for images
  bool operator==(const StreamSpec&) const = default;
};

ROBOIMI_EXPORT StreamSpec rgb_stream(std::string name, ImageSize size);
// `dtype`: float32 or uint16. `unit`: the unit of the values, "m" or "mm".
ROBOIMI_EXPORT StreamSpec depth_stream(std::string name, ImageSize size,
                                       at::ScalarType dtype = at::kFloat, std::string unit = "m");
ROBOIMI_EXPORT StreamSpec vector_stream(std::string name, std::int64_t size, std::string unit = {},
                                        std::vector<std::string> element_names = {});
ROBOIMI_EXPORT StreamSpec text_stream(std::string name, std::int64_t bytes);

// A map from stream names to tensors: one time step, or a batch with leading dimensions. It has
// shorthands for the streams with a predefined meaning.
class ROBOIMI_EXPORT Observation : public std::map<std::string, at::Tensor> {
 public:
  using map::map;

  // The stream, or an undefined tensor.
  at::Tensor get(const std::string& name) const;
  // The stream. Throws Error, listing the existing streams, if it is missing.
  const at::Tensor& at(const std::string& name) const;

  at::Tensor state() const { return get(kState); }
  at::Tensor velocity() const { return get(kVelocity); }
  at::Tensor env_state() const { return get(kEnvState); }
  // The RGB images: tensors of uint8 with at least three dimensions, the last of size 3.
  Observation images() const;
};

// The streams and actions of a dataset or environment, or those that an agent is built for.
struct ObservationSpec {
  std::vector<StreamSpec> streams = {};  // cameras in the order of data.camera_names
  std::int64_t action_dim = 0;           // A
  double control_hz = 0.0;               // 0 if unknown

  // nullptr if there is no stream of that name.
  ROBOIMI_EXPORT const StreamSpec* find(std::string_view name) const;
  // Throws Error, listing the existing streams, if there is no stream of that name.
  ROBOIMI_EXPORT const StreamSpec& at(std::string_view name) const;
  // Adds the stream, or replaces the one of the same name.
  ROBOIMI_EXPORT void set(StreamSpec stream);

  ROBOIMI_EXPORT std::vector<std::string> names() const;
  ROBOIMI_EXPORT std::vector<std::string> camera_names() const;  // the RGB streams
  // The size of an image stream. Throws Error if there is no image of that name.
  ROBOIMI_EXPORT ImageSize image_size(std::string_view camera) const;
  ROBOIMI_EXPORT std::int64_t state_dim() const;      // S; 0 without a state
  ROBOIMI_EXPORT std::int64_t env_state_dim() const;  // E; 0 without one

  // Describes in words the first difference that keeps a policy for *this from acting on `other`;
  // empty if it can. kVelocity and kEnvState may differ, and `other` may have more streams.
  ROBOIMI_EXPORT std::string difference(const ObservationSpec& other) const;
};

// A batch of training windows. Values are raw; the agent normalizes them.
struct Batch {
  // Each [B, T, ...]. Contains the images that the backbone reads, or none if `features` is
  // defined.
  Observation observations;
  at::Tensor features;  // float [B, T, V]: cached features of a frozen backbone, or undefined
  at::Tensor actions;   // float [B, H, A]
  at::Tensor is_pad;    // bool [B, H]: true outside the episode
};

// A UTF-8 string as uint8 [bytes], padded with zeros. Throws Error if it is longer.
ROBOIMI_EXPORT at::Tensor text_tensor(std::string_view text, std::int64_t bytes);
// The string in uint8 [bytes], up to the first zero.
ROBOIMI_EXPORT std::string text_of(const at::Tensor& bytes);

// Converts a depth image to meters, float32, from its stream's unit ("m", "mm", or empty: meters).
// Throws Error for any other unit.
ROBOIMI_EXPORT at::Tensor depth_in_meters(const at::Tensor& depth, const StreamSpec& stream);

}  // namespace roboimi
