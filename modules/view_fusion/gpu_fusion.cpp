#include "modules/view_fusion/gpu_fusion.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "modules/view_fusion/resample.h"
#include "roboimi/common/checked_form.h"
#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/autocast.h"
#include "roboimi/contract/imagenet.h"

namespace roboimi::view_fusion {
namespace {

constexpr std::int64_t kCheckedImages = 2;

// The weights of an axis as a matrix, half [output, input] on the CPU.
at::Tensor matrix_of(const ResampleAxis& axis) {
  const at::Tensor matrix = at::zeros({axis.output, axis.input});
  auto* values = matrix.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < axis.output; ++i) {
    for (std::int64_t j = 0; j < axis.taps; ++j) {
      values[i * axis.input + axis.first[i] + j] += axis.weights[i * axis.taps + j];
    }
  }
  return matrix.to(at::kHalf);
}

// Row and column of the i-th view.
std::pair<std::int64_t, std::int64_t> cell_of(std::int64_t i, FusionLayout layout) {
  if (layout == FusionLayout::kHorizontal) return {0, i};
  if (layout == FusionLayout::kVertical) return {i, 0};
  return {i / 2, i % 2};
}

std::string describe(const ImageSize& view, std::int64_t count, const FusionOptions& options) {
  const ImageSize size = resized_size(joined_size(view, count, options.layout), options);
  return fmt::format("{} views of {}x{}, {}, to {}x{}", count, view.height, view.width,
                     to_string(options.layout), size.height, size.width);
}

void check_fusion(const GpuFusion& fusion, const ImageSize& view, std::int64_t count,
                  const FusionOptions& options, c10::Device device) {
  at::Generator generator = make_generator(1);
  std::vector<at::Tensor> views;
  for (std::int64_t i = 0; i < count; ++i) {
    views.push_back(
        at::randint(0, 256, {kCheckedImages, view.height, view.width, 3}, generator, at::kByte)
            .to(device));
  }
  const double gray_level = 1.0 / (255.0 * kImageNetStd[0]);
  const double difference =
      (fusion.fuse(views) - fuse_views(views, options)).abs().max().item<double>() / gray_level;
  // A comparison with NaN is false.
  if (difference <= GpuFusion::kMostGrayLevels) return;
  throw Error({.what = "resized images differ from those of libtorch's operator",
               .where = describe(view, count, options),
               .expected = fmt::format("at most {} gray levels", GpuFusion::kMostGrayLevels),
               .found = fmt::format("{:.3g}", difference)});
}

}  // namespace

GpuFusion::GpuFusion(const ImageSize& view, std::int64_t count, const FusionOptions& options,
                     c10::Device device)
    : view_(view),
      joined_(joined_size(view, count, options.layout)),
      size_(resized_size(joined_, options)),
      layout_(options.layout),
      columns_(matrix_of(make_resample_axis(joined_.width, size_.width)).t().contiguous()),
      rows_(matrix_of(make_resample_axis(joined_.height, size_.height))) {
  columns_ = columns_.to(device);
  rows_ = rows_.to(device);
}

at::Tensor GpuFusion::fuse(const std::vector<at::Tensor>& views) const {
  check_joinable(views);
  ROBOIMI_CHECK(views[0].size(1) == view_.height && views[0].size(2) == view_.width,
                c10::str(views[0].sizes()));
  const c10::NoGradGuard no_grad;
  const Autocast own_precision(columns_.device(), false);
  // Join the views as planes. Cells of a grid without a view are black.
  const std::int64_t images = views[0].size(0);
  const std::int64_t covered = std::ssize(views) * view_.height * view_.width;
  at::Tensor planes = at::empty({images, 3, joined_.height, joined_.width}, columns_.options());
  if (covered < joined_.height * joined_.width) planes.zero_();
  for (std::size_t i = 0; i < views.size(); ++i) {
    const auto [row, column] = cell_of(static_cast<std::int64_t>(i), layout_);
    planes.slice(2, row * view_.height, (row + 1) * view_.height)
        .slice(3, column * view_.width, (column + 1) * view_.width)
        .copy_(views[i].permute({0, 3, 1, 2}));
  }
  // Resample along the rows, then along the columns.
  const at::Tensor narrow = at::mm(planes.view({-1, joined_.width}), columns_)
                                .view({images * 3, joined_.height, size_.width});
  const at::Tensor pixels = at::bmm(rows_.expand({images * 3, -1, -1}), narrow)
                                .to(at::kFloat)
                                .view({images, 3, size_.height, size_.width});
  normalize_bytes_(pixels);
  return pixels;
}

at::Tensor fuse_views_fast(const std::vector<at::Tensor>& views, const FusionOptions& options) {
  check_joinable(views);
  const c10::Device device = views[0].device();
  if (!device.is_cuda()) return fuse_views(views, options);
  static CheckedForm form("resizing of images by matrix products", "libtorch's operator");
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<GpuFusion>> fusions;  // by device and sizes
  const ImageSize view{views[0].size(1), views[0].size(2)};
  const std::int64_t count = std::ssize(views);
  const std::string name = describe(view, count, options);
  const std::string key = device.str() + ", " + name;
  const bool is_usable = form.is_usable(device, name, [&] {
    auto fusion = std::make_unique<GpuFusion>(view, count, options, device);
    check_fusion(*fusion, view, count, options, device);
    const std::lock_guard lock(mutex);
    fusions.insert_or_assign(key, std::move(fusion));
  });
  if (!is_usable) return fuse_views(views, options);
  const std::lock_guard lock(mutex);
  return fusions.at(key)->fuse(views);
}

}  // namespace roboimi::view_fusion
