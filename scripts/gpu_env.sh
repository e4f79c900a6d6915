# Sets the environment for a package made by scripts/gpu_package.sh. Source it in bash.
#
# Libraries come from Python's torch (of the `python3` in PATH, or of ROBOIMI_TORCH_PYTHON), then from NVIDIA's
# wheels beside it, then from this package. Configs come from the package. The shipped encoder comes from the
# source tree (ROBOIMI_TREE, or the current folder if it is a source tree), through a link in the package.
# shellcheck shell=bash
_here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
_torch=$("${ROBOIMI_TORCH_PYTHON:-python3}" -c \
  'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")' 2>/dev/null)
if [ -z "$_torch" ] || [ ! -e "$_torch/lib/libtorch_cpu.so" ]; then
  echo "roboimi-gpu: expected a python3 that has torch, found ${_torch:-none}; put it first in PATH, or set ROBOIMI_TORCH_PYTHON to it" >&2
  return 1
fi
_path=$_torch/lib
while IFS= read -r _folder; do _path=$_path:$_folder; done \
  < <(find "$(dirname "$_torch")/nvidia" -maxdepth 3 -type d -name lib 2>/dev/null | sort)
_path=$_path:$_here/lib:$_here/libs

# OpenGL: use the machine's loaders if it has them, otherwise the package's. A container's driver is in a
# separate folder, which neither the dynamic linker nor the OpenGL loader searches by default.
if ! ldconfig -p 2>/dev/null | grep -q 'libEGL\.so\.1' || ! ldconfig -p 2>/dev/null | grep -q 'libOpenGL\.so\.0'; then
  _path=$_path:$_here/gl
fi
for _folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib; do
  if [ -d "$_folder" ] && ! ldconfig -p 2>/dev/null | grep -q 'libEGL_nvidia\.so\.0'; then _path=$_path:$_folder; fi
done
_vendor=/usr/local/nvidia/share/glvnd/egl_vendor.d/10_nvidia.json
if [ -z "${__EGL_VENDOR_LIBRARY_FILENAMES:-}" ] && [ -e "$_vendor" ] \
  && ! ls /usr/share/glvnd/egl_vendor.d/*nvidia* /etc/glvnd/egl_vendor.d/*nvidia* > /dev/null 2>&1; then
  export __EGL_VENDOR_LIBRARY_FILENAMES=$_vendor
fi
export LD_LIBRARY_PATH=$_path${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

_tree=${ROBOIMI_TREE:-$PWD}
_link=$_here/share/roboimi/assets
if [ -d "$_tree/assets/checkpoints" ] && [ "$(readlink "$_link" 2>/dev/null)" != "$_tree/assets" ] \
  && ! ln -sfn "$_tree/assets" "$_link" 2>/dev/null; then
  echo "roboimi-gpu: cannot create $_link: the shipped encoder will not be found" >&2
fi
unset _here _torch _path _folder _vendor _tree _link
