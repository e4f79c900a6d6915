#!/usr/bin/env bash
# Packs a build so that it runs on a machine that only has Python's torch of the same version.
#
#   scripts/gpu_package.sh [BUILD_DIR] [OUT]     default: build/cuda, BUILD_DIR/roboimi-gpu.tar.xz
#
# The package contains the program, its plugins and configs, the build's CUDA tests and benchmarks, the
# distribution's shared libraries that they need, and the OpenGL loaders for a machine without them. It does
# not contain libtorch and CUDA's libraries, which come with the torch wheel, or the shipped encoder, which is
# in the source tree. After unpacking anywhere, run `roboimi-gpu/roboimi-gpu doctor`. See docs/gpu.md.
#
# Needs the build's dependencies and binutils. Fails if a library would be missing from the package, or if the
# package is larger than ROBOIMI_PACKAGE_LIMIT MiB (45).
set -euo pipefail
cd "$(dirname "$0")/.."

build=${1:-build/cuda}
out=${2:-$build/roboimi-gpu.tar.xz}
limit_mib=${ROBOIMI_PACKAGE_LIMIT:-45}
fail() { echo "gpu_package.sh: $*" >&2; exit 1; }
[ -x "$build/bin/roboimi" ] || fail "expected a build with bin/roboimi in $build, found none: build the targets roboimi and plugins there first"

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
package=$stage/roboimi-gpu
cmake --install "$build" --prefix "$package" --strip > "$stage/install.log" 2>&1 \
  || { cat "$stage/install.log" >&2; fail "cmake --install $build failed: build every target that is installed (roboimi, plugins)"; }
rm -rf "$package/include" "$package/lib/cmake" "$package/share/doc" "$package/share/roboimi/assets"
for program in cuda_test imf_bench rollout_bench; do
  if [ -x "$build/bin/$program" ]; then
    cp "$build/bin/$program" "$package/bin/"
    strip --strip-unneeded "$package/bin/$program"
  fi
done
# Tests find the source and build tree by the paths with which they were compiled.
sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p; s/^CMAKE_CACHEFILE_DIR:INTERNAL=//p' "$build/CMakeCache.txt" | sort \
  > "$package/built_from"

# Libraries that the machine provides: the C and C++ runtime, torch and CUDA. OpenGL loaders are packed separately.
of_machine='^(ld-linux-x86-64|libc|libm|libmvec|libdl|librt|libpthread|libutil|libresolv|libstdc\+\+|libgcc_s)\.so'
of_torch='^(libtorch|libtorch_.*|libc10|libc10_.*|libgomp.*|libshm|libcaffe2_nvrtc)(\.so|-)'
of_nvidia='^lib(cuda|cudart|cublas|cublasLt|cudnn.*|cufft|cufftw|curand|cusolver|cusolverMg|cusparse|cusparseLt|cupti|nccl|nvrtc.*|nvJitLink|nvToolsExt|nvshmem.*|cufile.*)\.so'
of_gl='^lib(EGL|GL|GLX|GLdispatch|OpenGL|GLESv2|GLESv1_CM|EGL_.*|GLX_.*)\.so'
torch_lib=$(readelf -d "$package/lib/libroboimi.so" | grep -oE '[^:[]*/torch/lib|[^:[]*/libtorch/lib' | head -n 1 || true)

# Copies every library that the given files load, under the name by which it is requested, except libraries
# of the machine, torch and CUDA, and those that match the second argument (a regular expression or empty).
collect() { # FOLDER EXCLUDED FILE...
  local folder=$1 excluded=$2 name path
  shift 2
  mkdir -p "$folder"
  LD_LIBRARY_PATH=$package/lib${torch_lib:+:$torch_lib} ldd "$@" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}' \
    | sort -u > "$stage/loaded"
  while read -r name path; do
    if [[ $name =~ $of_machine || $name =~ $of_torch || $name =~ $of_nvidia ]]; then continue; fi
    if [[ -n $excluded && $name =~ $excluded ]]; then continue; fi
    if [[ $(realpath "$path") == "$package"/* || -e $package/libs/$name ]]; then continue; fi
    if [ -n "$torch_lib" ] && [[ $(realpath "$path") == "$(realpath "$torch_lib")"/* ]]; then continue; fi
    cp -L "$path" "$folder/$name"
  done < "$stage/loaded"
}
mapfile -t ours < <(find "$package/bin" "$package/lib" -type f \( -name '*.so' -o -perm -u+x \))
collect "$package/libs" "$of_gl" "${ours[@]}"

# Replace two libraries that are loaded but never called with empty stubs that export the same names: ICU's
# tables of rare encodings (30 MB) and a speech codec used by FFmpeg (16 MB).
for library in "$package"/libs/libicudata.so.* "$package"/libs/libcodec2.so.*; do
  [ -e "$library" ] || continue
  nm -D --defined-only "$library" | awk '$2 == "T" {print "void* " $3 "(void) { return 0; }"}
    $2 ~ /[DRB]/ {print "const char " $3 "[64] __attribute__((aligned(16))) = {0};"}' \
    | cc -shared -fPIC -w -fno-builtin -x c -Wl,-soname,"$(basename "$library")" -o "$library" -
done

# Pack the OpenGL loaders, which find the driver's OpenGL. They are used only if the machine has none.
mkdir -p "$package/gl"
loaders=()
for name in libEGL.so.1 libGL.so.1 libGLX.so.0 libGLdispatch.so.0 libOpenGL.so.0 libGLESv2.so.2; do
  path=$(ldconfig -p | awk -v name="$name" '$1 == name && /x86-64/ {print $NF; exit}')
  if [ -n "$path" ]; then
    loaders+=("$path")
    cp -L "$path" "$package/gl/$name"
  else
    echo "gpu_package.sh: $name not found and not packed (Debian: libegl1 libglvnd0 libopengl0 libgl1 libglx0 libgles2): the target machine must have it" >&2
  fi
done
if [ ${#loaders[@]} -gt 0 ]; then collect "$package/gl" "$of_gl" "${loaders[@]}"; fi
strip --strip-unneeded "$package"/libs/*.so* "$package"/gl/*.so* 2>/dev/null || true

# Build the library that counts CUDA launches and calls that wait for the GPU.
cc -shared -fPIC -O2 -Wall -o "$package/lib/libcount_cuda_calls.so" scripts/gpu_count_calls.c -ldl
cp scripts/gpu_env.sh "$package/env.sh"
cat > "$package/roboimi-gpu" <<'LAUNCHER'
#!/usr/bin/env bash
# Runs roboimi with the libraries of this package and of Python's torch, e.g. roboimi-gpu doctor.
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
. "$here/env.sh" || exit 1
exec "$here/bin/roboimi" "$@"
LAUNCHER
chmod +x "$package/roboimi-gpu"

# Check that every library that a file needs is in the package or comes from the machine, torch or CUDA.
missing=0
while IFS= read -r file; do
  while read -r name; do
    if [[ $name =~ $of_machine || $name =~ $of_torch || $name =~ $of_nvidia ]]; then continue; fi
    if [ -e "$package/libs/$name" ] || [ -e "$package/lib/$name" ]; then continue; fi
    if [[ $file == "$package"/gl/* ]] && [ -e "$package/gl/$name" ]; then continue; fi
    echo "gpu_package.sh: ${file#"$package"/} needs $name, which would be missing on the target machine" >&2
    missing=1
  done < <(readelf -d "$file" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
done < <(find "$package" -type f \( -name '*.so*' -o -path '*/bin/*' \))
[ "$missing" = 0 ] || fail "libraries are missing from the package: expected each in the package or with torch; install the packages of the missing ones and build again"

mkdir -p "$(dirname "$out")"
tar -C "$stage" --owner=0 --group=0 -cf - roboimi-gpu | xz -T2 "${ROBOIMI_PACKAGE_XZ:--6}" > "$out.part"
mv "$out.part" "$out"
bytes=$(stat -c %s "$out")
echo "gpu_package.sh: $out: $(awk -v b="$bytes" 'BEGIN {printf "%.1f", b / 1048576}') MiB, $(find "$package" -type f | wc -l) files, $(du -sm "$package" | cut -f1) MiB unpacked"
if [ "$bytes" -gt $((limit_mib * 1048576)) ]; then
  find "$package" -type f -printf '%s %P\n' | sort -rn | head -n 8 >&2
  fail "the package is too large: expected at most $limit_mib MiB, which leaves room for the source tree; see the largest files above (ROBOIMI_PACKAGE_LIMIT changes the limit)"
fi
