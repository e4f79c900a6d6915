// A preloaded library that counts a program's CUDA runtime calls: launches, copies, and waits for the GPU.
//
//   LD_PRELOAD=libcount_cuda_calls.so ROBOIMI_CUDA_CALLS=calls.json roboimi run ...
//
// Works without CUDA's headers and forwards all calls unchanged. To get the calls per step, compare two
// runs that differ only in their number of steps.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { kStreamWait, kDeviceWait, kEventWait, kBlockingCopy, kCopyToHost, kCopyToDevice, kLaunch, kGraphLaunch, kKinds };
static const char* const kNames[kKinds] = {"stream_synchronize", "device_synchronize", "event_synchronize",
                                           "blocking_copy",      "copy_to_host",       "copy_to_device",
                                           "kernel_launch",      "graph_launch"};
static long counts[kKinds];

static void count(int kind) { __atomic_fetch_add(&counts[kind], 1, __ATOMIC_RELAXED); }

static void* next(const char* name) {
  void* function = dlsym(RTLD_NEXT, name);
  if (function == NULL) {
    fprintf(stderr, "libcount_cuda_calls.so: expected %s in the CUDA runtime, found none\n", name);
    abort();
  }
  return function;
}

#define PASS_ON(name, kind, parameters, arguments)                     \
  int name parameters {                                                \
    static int(*real) parameters;                                      \
    if (real == NULL) real = (int(*) parameters)next(#name);           \
    count(kind);                                                       \
    return real arguments;                                             \
  }

// Only the sizes of the argument types matter; Dim3 has 12 bytes, as in CUDA's headers.
typedef struct {
  unsigned x, y, z;
} Dim3;

PASS_ON(cudaStreamSynchronize, kStreamWait, (void* stream), (stream))
PASS_ON(cudaDeviceSynchronize, kDeviceWait, (void), ())
PASS_ON(cudaEventSynchronize, kEventWait, (void* event), (event))
PASS_ON(cudaMemcpy, kBlockingCopy, (void* to, const void* from, size_t bytes, int kind), (to, from, bytes, kind))
PASS_ON(cudaLaunchKernel, kLaunch,
        (const void* function, Dim3 grid, Dim3 block, void** arguments, size_t shared, void* stream),
        (function, grid, block, arguments, shared, stream))
PASS_ON(cudaLaunchKernelExC, kLaunch, (const void* config, const void* function, void** arguments),
        (config, function, arguments))
PASS_ON(cudaGraphLaunch, kGraphLaunch, (void* graph, void* stream), (graph, stream))

int cudaMemcpyAsync(void* to, const void* from, size_t bytes, int kind, void* stream) {
  static int (*real)(void*, const void*, size_t, int, void*);
  if (real == NULL) real = (int (*)(void*, const void*, size_t, int, void*))next("cudaMemcpyAsync");
  if (kind == 2) count(kCopyToHost);
  if (kind == 1) count(kCopyToDevice);
  return real(to, from, bytes, kind, stream);
}

// Each process writes its own file, PATH.PID.
__attribute__((destructor)) static void write_counts(void) {
  const char* path = getenv("ROBOIMI_CUDA_CALLS");
  long total = 0;
  for (int i = 0; i < kKinds; ++i) total += counts[i];
  if (path == NULL || total == 0) return;
  char name[4096];
  snprintf(name, sizeof(name), "%s.%d", path, (int)getpid());
  FILE* file = fopen(name, "w");
  if (file == NULL) return;
  fprintf(file, "{");
  for (int i = 0; i < kKinds; ++i) fprintf(file, "%s\"%s\": %ld", i == 0 ? "" : ", ", kNames[i], counts[i]);
  fprintf(file, "}\n");
  fclose(file);
}
