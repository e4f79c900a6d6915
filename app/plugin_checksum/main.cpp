// roboimi_plugin_checksum FILE.so...: writes the checksum into the note of freshly linked plugins,
// by which the loader tells a damaged file (plugin/checksum.h). roboimi_add_plugin() runs it; run
// it again after a tool such as patchelf.
#include <cstdlib>
#include <iostream>

#include "roboimi/common/error.h"
#include "roboimi/plugin/checksum.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: roboimi_plugin_checksum FILE.so...\n";
    return EXIT_FAILURE;
  }
  try {
    for (int i = 1; i < argc; ++i) roboimi::write_plugin_checksum(argv[i]);
  } catch (const std::exception& error) {
    std::cerr << "roboimi_plugin_checksum: " << roboimi::one_line_message(error) << "\n";
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
