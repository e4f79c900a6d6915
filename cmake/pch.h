// Precompiled header shared by every target. Without it, libtorch's headers take 7 s per file.
//
// It has what most files include. All of <torch/torch.h> would cost every file 3 s more, for
// templates that each compilation instantiates again.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/module.h>
#include <torch/utils.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>
