// Everything is compiled with hidden visibility; what crosses a library's edge says so.
#pragma once

#define ROBOIMI_EXPORT __attribute__((visibility("default")))
