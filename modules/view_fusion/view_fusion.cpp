#include "modules/view_fusion/view_fusion.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "modules/view_fusion/resample.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/imagenet.h"

namespace roboimi::view_fusion {
namespace {

at::Tensor join_grid(std::vector<at::Tensor> views) {
  if (views.size() == 1) return views[0];
  if (views.size() % 2 == 1) views.push_back(at::zeros_like(views[0]));
  std::vector<at::Tensor> rows;
  for (std::size_t i = 0; i < views.size(); i += 2) {
    rows.push_back(at::cat({views[i], views[i + 1]}, 2));
  }
  return at::cat(rows, 1);
}

// The map from a byte to its normalized value, per channel.
struct Affine {
  float gain[3], offset[3];
};

Affine imagenet_map() {
  Affine map;
  for (int c = 0; c < 3; ++c) {
    const auto mean = static_cast<float>(kImageNetMean[c]);
    const auto deviation = static_cast<float>(kImageNetStd[c]);
    map.gain[c] = 1.0F / (255.0F * deviation);
    map.offset[c] = -mean / deviation;
  }
  return map;
}

}  // namespace

const char* to_string(FusionLayout layout) {
  switch (layout) {
    case FusionLayout::kHorizontal:
      return "horizontal";
    case FusionLayout::kVertical:
      return "vertical";
    default:
      return "grid";
  }
}

const char* to_string(FusionResize resize) {
  return resize == FusionResize::kExact ? "exact" : "shorter_side";
}

ImageSize check_fusable(const std::vector<std::string>& camera_names, const ObservationSpec& spec,
                        const std::string& where) {
  check_camera_names(camera_names, spec, where);
  std::vector<std::string> sizes;
  bool equal = true;
  for (const std::string& camera : camera_names) {
    const ImageSize size = spec.image_size(camera);
    equal = equal && size == spec.image_size(camera_names[0]);
    sizes.push_back(fmt::format("{} {}x{}", camera, size.height, size.width));
  }
  if (equal) return spec.image_size(camera_names[0]);
  throw Error({.what = "camera views of different sizes cannot be joined into one image",
               .where = where,
               .expected = "one height x width for all cameras",
               .found = fmt::format("{}", fmt::join(sizes, ", ")),
               .next = "render or record all cameras with the same size"});
}

ImageSize joined_size(const ImageSize& view, std::int64_t count, FusionLayout layout) {
  if (layout == FusionLayout::kHorizontal) return {view.height, view.width * count};
  if (layout == FusionLayout::kVertical) return {view.height * count, view.width};
  return count == 1 ? view : ImageSize{view.height * ((count + 1) / 2), view.width * 2};
}

ImageSize resized_size(const ImageSize& joined, const FusionOptions& options) {
  if (options.resize == FusionResize::kExact) return {options.height, options.width};
  const std::int64_t side = options.shorter_side;
  if (joined.height <= joined.width) return {side, side * joined.width / joined.height};
  return {side * joined.height / joined.width, side};
}

void check_joinable(const std::vector<at::Tensor>& views) {
  ROBOIMI_CHECK(!views.empty(), "no views");
  std::string sizes;
  bool equal = true;
  for (const at::Tensor& view : views) {
    ROBOIMI_CHECK(view.scalar_type() == at::kByte && view.dim() == 4 && view.size(3) == 3,
                  c10::str(view.scalar_type(), " ", view.sizes()));
    equal = equal && view.sizes() == views[0].sizes();
    sizes += fmt::format("{}{}x{}", sizes.empty() ? "" : ", ", view.size(1), view.size(2));
  }
  if (equal) return;
  throw Error({.what = "camera views of different sizes cannot be joined into one image",
               .expected = "one height x width for all cameras",
               .found = sizes,
               .next = "render or record all cameras with the same size"});
}

void normalize_bytes_(const at::Tensor& pixels) {
  // Use scalars, because constant tensors would be copied to the device in every call.
  const Affine map = imagenet_map();
  for (int c = 0; c < 3; ++c) pixels.select(1, c).mul_(map.gain[c]).add_(map.offset[c]);
}

at::Tensor join_views(const std::vector<at::Tensor>& views, FusionLayout layout) {
  check_joinable(views);
  if (layout == FusionLayout::kGrid) return join_grid(views);
  return at::cat(views, layout == FusionLayout::kHorizontal ? 2 : 1);
}

at::Tensor normalize_and_resize_composed(const at::Tensor& images, const ImageSize& size) {
  const at::Tensor planar = images.permute({0, 3, 1, 2}).to(at::kFloat);
  // Resampling keeps the memory format of its input (channels-last), so make the result contiguous.
  const at::Tensor pixels =
      at::_upsample_bilinear2d_aa(planar, {size.height, size.width}, false).contiguous();
  normalize_bytes_(pixels);
  return pixels;
}

at::Tensor normalize_and_resize(const at::Tensor& images, const ImageSize& size) {
  if (!images.device().is_cpu()) return normalize_and_resize_composed(images, size);
  // Compute the weights.
  const Affine map = imagenet_map();
  const at::Tensor input = images.contiguous();
  const ResampleAxis rows = make_resample_axis(input.size(1), size.height);
  const ResampleAxis columns = make_resample_axis(input.size(2), size.width);
  at::Tensor output =
      at::empty({input.size(0), 3, size.height, size.width}, images.options().dtype(at::kFloat));
  // Resample the images in parallel.
  const std::uint8_t* bytes = input.const_data_ptr<std::uint8_t>();
  float* planes = output.mutable_data_ptr<float>();
  const std::int64_t in_size = input.size(1) * input.size(2) * 3;
  const std::int64_t out_size = 3 * size.height * size.width;
  at::parallel_for(0, input.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scratch;
    for (std::int64_t i = begin; i < end; ++i) {
      resample_image(bytes + i * in_size, rows, columns, map.gain, map.offset,
                     planes + i * out_size, scratch);
    }
  });
  return output;
}

at::Tensor fuse_views(const std::vector<at::Tensor>& views, const FusionOptions& options) {
  const at::Tensor joined = join_views(views, options.layout);
  return normalize_and_resize(joined, resized_size({joined.size(1), joined.size(2)}, options));
}

}  // namespace roboimi::view_fusion
