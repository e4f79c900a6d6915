// The macro that exports a symbol from a library. All other symbols are compiled with hidden
// visibility.
#pragma once

#define ROBOIMI_EXPORT __attribute__((visibility("default")))
